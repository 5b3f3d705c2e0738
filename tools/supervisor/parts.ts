import { join } from 'node:path';
import { mainOf } from '../build/build-apps.ts';
import { connectIsReady, prepareConnect } from '../stack/connect.ts';
import type { Jars } from '../stack/jars.ts';
import { kafkaIsReady, prepareKafka } from '../stack/kafka.ts';
import { ask } from '../stack/ports.ts';
import type { ProcessSpec } from '../stack/process.ts';
import { clearAfterKill, preparePostgres } from '../stack/postgres.ts';
import { postgresIsReady, serviceUrl, throughSocket, type Service } from '../stack/postgres-database.ts';
import { brokerIsUnregistered, prepareZooKeeper, zooKeeperIsReady } from '../stack/zookeeper.ts';
import { pidFileOf } from './home.ts';
import type { PartDefinition } from './part.ts';
import type { Secrets } from './secrets.ts';
import type { BrokerPorts, ZooKeeperPorts } from './stack-ports.ts';
import type { StackSettings } from './stack-settings.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** Every ZooKeeper, and every broker. */
export async function javaParts(settings: StackSettings, jars: Jars): Promise<PartDefinition[]> {
  const { zooKeepers, brokers } = settings;
  return Promise.all([
    ...zooKeepers.map((zooKeeper) => zooKeeperPart(settings, zooKeeper, jars)),
    ...brokers.map((broker) => kafkaPart(settings, broker, jars)),
  ]);
}

async function zooKeeperPart(
  { home, zooKeepers }: StackSettings,
  { id, client, metrics }: ZooKeeperPorts,
  jars: Jars,
): Promise<PartDefinition> {
  const clustered = zooKeepers.length > 1;
  const name = clustered ? `zookeeper-${id}` : 'zookeeper';
  const spec = await prepareZooKeeper({
    jars,
    home: clustered ? join(home, 'zookeeper', String(id)) : join(home, 'zookeeper'),
    name,
    port: client,
    ...(clustered ? { ensemble: { id, members: zooKeepers } } : {}),
    metricsPort: metrics,
    pidFile: pidFileOf(home, name),
  });
  return { spec, format: 'java', isReady: () => zooKeeperIsReady(client) };
}

async function kafkaPart(
  { home, brokers, zooKeepers, dockerHost }: StackSettings,
  { id, ...ports }: BrokerPorts,
  jars: Jars,
): Promise<PartDefinition> {
  const clustered = brokers.length > 1;
  const name = clustered ? `kafka-${id}` : 'kafka';
  const zooKeeperPorts = zooKeepers.map(({ client }) => client);
  const spec = await prepareKafka({
    jars,
    home: clustered ? join(home, 'kafka', String(id)) : join(home, 'kafka'),
    name,
    brokerId: id,
    clustered,
    zooKeeperPorts,
    ports,
    ...(dockerHost === undefined ? {} : { dockerHost }),
    pidFile: pidFileOf(home, name),
  });
  return {
    spec,
    format: 'java',
    // A killed broker is remembered by ZooKeeper for 6 s, and one that starts meanwhile gives up.
    before: (signal) => brokerIsUnregistered(zooKeeperPorts, id, { signal }),
    isReady: () => kafkaIsReady(ports.external),
  };
}

/** Where services and tools begin; any broker that is up tells them the others. */
export const bootstrapOf = ({ brokers }: StackSettings): string =>
  brokers.map(({ external }) => `127.0.0.1:${external}`).join(',');

export async function postgresPart({ home, ports }: StackSettings): Promise<PartDefinition & { socketFolder: string }> {
  const port = ports.POSTGRES_PORT;
  const pidFile = pidFileOf(home, 'postgres');
  const { spec, socketFolder } = await preparePostgres({ home: join(home, 'postgres'), port, pidFile });
  return {
    spec,
    socketFolder,
    format: 'postgres',
    before: () => clearAfterKill(socketFolder),
    isReady: () => throughSocket(socketFolder, port, postgresIsReady),
  };
}

export function mailCatcherPart({ home, ports }: StackSettings): PartDefinition {
  return {
    spec: nodeProcess(home, 'mail', join(ROOT, 'tools', 'mail-catcher', 'main.ts'), {
      SMTP_PORT: String(ports.SMTP_PORT),
      MAIL_PORT: String(ports.MAIL_PORT),
    }),
    format: 'plain',
    isReady: async () =>
      (await answersOk(ports.MAIL_PORT, '/readyz')) &&
      (await ask(ports.SMTP_PORT, '', (greeting) => greeting.length > 0)).toString().startsWith('220'),
  };
}

/**
 * @param port where it is asked for its state
 * @param classpath from `resolveConnectJars`
 */
export async function connectPart(settings: StackSettings, port: number, classpath: string): Promise<PartDefinition> {
  const { home, connectFiles } = settings;
  const topicPrefix = process.env['KAFKA_TOPIC_PREFIX']?.trim();
  const tenant = process.env['CONNECT_TENANT']?.trim();
  const spec = await prepareConnect({
    classpath,
    home: join(home, 'connect'),
    brokers: bootstrapOf(settings),
    port,
    requestsFile: connectFiles.requests,
    eventsFile: connectFiles.events,
    ...(tenant ? { tenant } : {}),
    ...(topicPrefix ? { topicPrefix } : {}),
    pidFile: pidFileOf(home, 'connect'),
  });
  return { spec, format: 'java', isReady: () => connectIsReady(port) };
}

export function servicePart(service: Service, settings: StackSettings, secrets: Secrets): PartDefinition {
  const { home, ports } = settings;
  const managementPort = {
    api: ports.API_MANAGEMENT_PORT,
    notification: ports.NOTIFICATION_MANAGEMENT_PORT,
    audit: ports.AUDIT_MANAGEMENT_PORT,
  }[service];
  return {
    // kafkajs sets timers into the past; Node says so once per start and takes them for 1 ms, which is what is meant.
    spec: nodeProcess(home, service, mainOf(service), serviceEnvironment(service, settings, secrets), [
      '--disable-warning=TimeoutNegativeWarning',
    ]),
    format: 'service',
    isReady: () => doesAllItsWork(managementPort),
  };
}

/** What a service is told: where its own stack is, always; what the environment may choose, unless it has chosen. */
export function serviceEnvironment(
  service: Service,
  settings: StackSettings,
  { apiKey, webhookSecret, auditSaltKey, auditSigningKey }: Secrets,
  environment: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const { ports, rolePasswords } = settings;
  const chosen = (name: string, otherwise: string): string => environment[name]?.trim() || otherwise;
  const [port, managementPort] = {
    api: [ports.API_PORT, ports.API_MANAGEMENT_PORT],
    // The notification service has no public port; a PORT of the environment must not reach it by accident.
    notification: [0, ports.NOTIFICATION_MANAGEMENT_PORT],
    audit: [ports.AUDIT_PORT, ports.AUDIT_MANAGEMENT_PORT],
  }[service] as [number, number];
  return {
    ...(port === 0 ? {} : { PORT: String(port) }),
    MANAGEMENT_PORT: String(managementPort),
    KAFKA_BROKERS: bootstrapOf(settings),
    DATABASE_URL: serviceUrl(service, ports.POSTGRES_PORT, 'bongsu', rolePasswords[service]),
    BOOTSTRAP_API_KEY: apiKey,
    WEBHOOK_SIGNING_SECRET: webhookSecret,
    ...(service === 'audit'
      ? {
          AUDIT_SALT_KEY: auditSaltKey,
          AUDIT_SIGNING_KEY: auditSigningKey,
          // Deleted with the database that it vouches for: to another one it would be a contradiction.
          AUDIT_CHECKPOINT_FILE: chosen('AUDIT_CHECKPOINT_FILE', join(settings.home, 'audit-checkpoints')),
        }
      : {}),
    SMTP_URL: chosen('SMTP_URL', `smtp://127.0.0.1:${ports.SMTP_PORT}`),
    SMTP_FROM: chosen('SMTP_FROM', 'Bongsu <no-reply@bongsu.example>'),
    // On this machine one tries webhooks with a receiver on this machine.
    WEBHOOK_ALLOWED_NETWORKS: chosen('WEBHOOK_ALLOWED_NETWORKS', '127.0.0.0/8,::1/128'),
  };
}

function nodeProcess(
  home: string,
  name: string,
  program: string,
  env: Record<string, string>,
  flags: readonly string[] = [],
): ProcessSpec {
  return {
    name,
    command: process.execPath,
    args: [...flags, program],
    cwd: ROOT,
    env,
    stopSignal: 'SIGTERM',
    killSignal: 'SIGKILL',
    pidFile: pidFileOf(home, name),
  };
}

/** Ready, and not `degraded` either: the API takes notifications without its database, but has nothing to show yet. */
async function doesAllItsWork(managementPort: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${managementPort}/health/ready`, {
    signal: AbortSignal.timeout(2_000),
  });
  const health = (await response.json()) as { status?: string };
  return response.ok && health.status !== 'degraded';
}

async function answersOk(port: number, path: string): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2_000) });
  await response.body?.cancel();
  return response.ok;
}
