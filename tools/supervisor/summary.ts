import { isAbsolute, relative } from 'node:path';
import { bootstrapOf } from './parts.ts';
import type { Secrets } from './secrets.ts';
import type { StackSettings } from './stack-settings.ts';

const at = (port: number, path = ''): string => `http://127.0.0.1:${port}${path}`;

function shortest(folder: string): string {
  const way = relative(process.cwd(), folder);
  return way === '' || way.startsWith('..') || isAbsolute(way) ? folder : way;
}

const numbered = (name: string, servers: readonly unknown[], index: number): string =>
  servers.length > 1 ? `${name}-${index + 1}` : name;

/** What somebody who has just started the stack wants to know: where everything is, and a first notification to send. */
export function summary(settings: StackSettings, { apiKey }: Secrets, seconds: number): string {
  const { home, ports, brokers, zooKeepers, connect, connectFiles } = settings;
  const rows: [string, string][] = [
    ['API', at(ports.API_PORT)],
    ['  to try it', at(ports.API_PORT, '/docs')],
    ['Mails', `${at(ports.MAIL_PORT)}  (SMTP 127.0.0.1:${ports.SMTP_PORT})`],
    ['Audit', at(ports.AUDIT_PORT, '/v1/audit/verify')],
    [
      'Kafka',
      `${bootstrapOf(settings)}  (ZooKeeper ${zooKeepers.map(({ client }) => `127.0.0.1:${client}`).join(',')})`,
    ],
    ['PostgreSQL', `127.0.0.1:${ports.POSTGRES_PORT}/bongsu  (user postgres)`],
    [
      'Metrics',
      [
        `api ${at(ports.API_MANAGEMENT_PORT, '/metrics')}`,
        `notification ${at(ports.NOTIFICATION_MANAGEMENT_PORT, '/metrics')}`,
        `audit ${at(ports.AUDIT_MANAGEMENT_PORT, '/metrics')}`,
        ...brokers.map(({ metrics }, index) => `${numbered('kafka', brokers, index)} ${at(metrics, '/metrics')}`),
        ...zooKeepers.map(
          ({ metrics }, index) => `${numbered('zookeeper', zooKeepers, index)} ${at(metrics, '/metrics')}`,
        ),
      ].join(`\n${' '.repeat(15)}`),
    ],
    ...(connect === undefined
      ? []
      : ([['Connect', `${shortest(connectFiles.requests)} in, ${shortest(connectFiles.events)} out`]] as [
          string,
          string,
        ][])),
    ['Logs and data', shortest(home)],
    ['API key', apiKey],
  ];
  return `
Bongsu is up (${seconds.toFixed(1)} s).

${rows.map(([name, value]) => `${name.padEnd(14)} ${value}`).join('\n')}

Send an e-mail:

  curl -sS ${at(ports.API_PORT, '/v1/notifications')} \\
    -H 'Authorization: Bearer ${apiKey}' \\
    -H 'Content-Type: application/json' \\
    -d '{"recipient":{"id":"user-1","email":"user-1@example.org"},"channels":["email"],"content":{"subject":"Hello","body":"It works."}}'

then see it at ${at(ports.MAIL_PORT)} and follow it with: npx bongsu status <id>

Ctrl-C stops everything; the data stays, and the next npm start goes on with it.
`;
}
