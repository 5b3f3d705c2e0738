import { resolve } from 'node:path';
import { SERVICES, type RolePasswords } from '../stack/postgres-database.ts';

/** Every port of the local stack: the variable that moves it, where it is otherwise, and what it is for. */
const PORTS = {
  API_PORT: { port: 3000, what: 'the API' },
  AUDIT_PORT: { port: 3002, what: 'the audit service' },
  API_MANAGEMENT_PORT: { port: 9464, what: "the API's health and metrics" },
  NOTIFICATION_MANAGEMENT_PORT: { port: 9465, what: "the notification service's health and metrics" },
  AUDIT_MANAGEMENT_PORT: { port: 9466, what: "the audit service's health and metrics" },
  KAFKA_PORT: { port: 9092, what: 'Kafka, for programs on this machine' },
  KAFKA_INTERNAL_PORT: { port: 19092, what: 'Kafka, between brokers' },
  KAFKA_DOCKER_PORT: { port: 29092, what: 'Kafka, for containers' },
  KAFKA_JMX_PORT: { port: 1234, what: "Kafka's metrics" },
  ZOOKEEPER_PORT: { port: 2181, what: 'ZooKeeper' },
  ZOOKEEPER_JMX_PORT: { port: 1235, what: "ZooKeeper's metrics" },
  POSTGRES_PORT: { port: 15432, what: 'PostgreSQL' },
  SMTP_PORT: { port: 1025, what: "the mail catcher's SMTP" },
  MAIL_PORT: { port: 8025, what: "the mail catcher's page" },
} as const;

export type PortVariable = keyof typeof PORTS;
export const PORT_VARIABLES = Object.keys(PORTS) as PortVariable[];

/** What a port is for, in words. */
export const purposeOf = (variable: PortVariable): string => PORTS[variable].what;

export interface StackSettings {
  /** The folder of everything that the stack keeps. */
  readonly home: string;
  readonly ports: Readonly<Record<PortVariable, number>>;
  readonly postgresPassword: string;
  readonly rolePasswords: RolePasswords;
  /** The name by which containers reach this machine; without it the docker listener is for this machine only. */
  readonly dockerHost: string | undefined;
  /** Given by the environment; otherwise made once and kept. */
  readonly apiKey: string | undefined;
  readonly webhookSecret: string | undefined;
  /** Show every line of every part. */
  readonly verbose: boolean;
  /** Show the services' lines, whatever their level: somebody has chosen the level. */
  readonly showServices: boolean;
}

/**
 * Reads the local stack's own variables; the services read theirs themselves. A variable that is empty counts as not set.
 * `problems` names everything that is wrong, one sentence each, empty when nothing is.
 */
export function readStackSettings(
  environment: NodeJS.ProcessEnv,
  { verbose = false }: { verbose?: boolean } = {},
): { settings: StackSettings; problems: string[] } {
  const problems: string[] = [];
  const get = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const ports = readPorts(get, problems);
  const apiKey = get('BOOTSTRAP_API_KEY');
  if (apiKey !== undefined && !/^[A-Za-z0-9_-]{32,256}$/.test(apiKey)) {
    problems.push('BOOTSTRAP_API_KEY must be 32 to 256 characters of A-Z, a-z, 0-9, _ and -');
  }
  const webhookSecret = get('WEBHOOK_SIGNING_SECRET');
  const rolePasswords = Object.fromEntries(
    SERVICES.map((service) => [service, get(`BONGSU_${service.toUpperCase()}_DB_PASSWORD`)] as const).filter(
      ([, password]) => password !== undefined,
    ),
  );
  const settings: StackSettings = {
    home: resolve(get('BONGSU_HOME') ?? '.bongsu'),
    ports,
    postgresPassword: get('POSTGRES_PASSWORD') ?? 'bongsu',
    rolePasswords,
    dockerHost: get('KAFKA_DOCKER_HOST'),
    apiKey,
    webhookSecret,
    verbose,
    showServices: verbose || get('LOG_LEVEL') !== undefined,
  };
  return { settings, problems };
}

function readPorts(get: (name: string) => string | undefined, problems: string[]): Record<PortVariable, number> {
  const taken = new Map<number, PortVariable>();
  const entries = PORT_VARIABLES.map((variable) => {
    const text = get(variable) ?? String(PORTS[variable].port);
    const port = Number(text);
    if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
      problems.push(`${variable} must be a port, 1 to 65535 (got ${JSON.stringify(text.slice(0, 40))})`);
    } else if (taken.has(port)) {
      problems.push(`${taken.get(port)} and ${variable} are both ${port}: every part needs a port of its own`);
    } else taken.set(port, variable);
    return [variable, port] as const;
  });
  return Object.fromEntries(entries) as Record<PortVariable, number>;
}
