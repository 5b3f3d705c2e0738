import { join, resolve } from 'node:path';
import { SERVICES, type RolePasswords } from '../stack/postgres-database.ts';
import { BROKERS, readPorts, type StackPorts } from './stack-ports.ts';

/** Where a cluster keeps its data, below the home. */
export const CLUSTER_FOLDER = 'cluster';

export interface StackSettings extends StackPorts {
  /** The folder of everything that the stack keeps, but for the keys. */
  readonly home: string;
  /** The folder of the keys: the same with and without `--cluster`, so that the CLI finds them. */
  readonly keysHome: string;
  readonly postgresPassword: string;
  readonly rolePasswords: RolePasswords;
  /** The name by which containers reach this machine; without it the docker listener is for this machine only. */
  readonly dockerHost: string | undefined;
  /** Where Kafka Connect takes requests to send from and puts events, when there is one: files. */
  readonly connectFiles: { readonly requests: string; readonly events: string };
  /** Given by the environment; otherwise made once and kept. */
  readonly apiKey: string | undefined;
  readonly webhookSecret: string | undefined;
  readonly auditSaltKey: string | undefined;
  readonly auditSigningKey: string | undefined;
  /** Show every line of every part. */
  readonly verbose: boolean;
  /** Show the services' lines, whatever their level: somebody has chosen the level. */
  readonly showServices: boolean;
}

/**
 * Reads the local stack's own variables and flags (`brokers`: how many; more than one is a cluster); the services read theirs themselves. A variable that is empty counts as not set.
 * `problems` names everything that is wrong, one sentence each, empty when nothing is.
 */
export function readStackSettings(
  environment: NodeJS.ProcessEnv,
  { verbose = false, brokers = 1, connect = false }: { verbose?: boolean; brokers?: number; connect?: boolean } = {},
): { settings: StackSettings; problems: string[] } {
  const problems: string[] = [];
  const get = (name: string): string | undefined => environment[name]?.trim() || undefined;
  if (brokers !== 1 && !(Number.isInteger(brokers) && brokers >= BROKERS.least && brokers <= BROKERS.most)) {
    problems.push(`--cluster takes ${BROKERS.least} to ${BROKERS.most} brokers`);
  }
  const stackPorts = readPorts(get, Math.min(brokers, BROKERS.most), problems, connect);
  const keysHome = resolve(get('BONGSU_HOME') ?? '.bongsu');
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
  // Offsets of one Kafka mean nothing in another, and PostgreSQL holds them: the two kinds of stack share no data.
  const home = brokers === 1 ? keysHome : join(keysHome, CLUSTER_FOLDER);
  const settings: StackSettings = {
    ...stackPorts,
    home,
    keysHome,
    postgresPassword: get('POSTGRES_PASSWORD') ?? 'bongsu',
    rolePasswords,
    dockerHost: get('KAFKA_DOCKER_HOST'),
    connectFiles: {
      requests: resolve(get('CONNECT_REQUESTS_FILE') ?? join(home, 'connect', 'requests.ndjson')),
      events: resolve(get('CONNECT_EVENTS_FILE') ?? join(home, 'connect', 'events.ndjson')),
    },
    apiKey,
    webhookSecret,
    auditSaltKey: get('AUDIT_SALT_KEY'),
    auditSigningKey: get('AUDIT_SIGNING_KEY'),
    verbose,
    showServices: verbose || get('LOG_LEVEL') !== undefined,
  };
  return { settings, problems };
}
