import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@bongsu/observability';
import type { Pool, PoolClient, QueryConfig } from 'pg';
import { DataSource, type MigrationInterface, type MixedList } from 'typeorm';
import { refusalIn } from './refusals.js';

/** Longer than any statement of ours should take, short enough that a stalled server is noticed and retried. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Ends a wait for a server that no longer answers at all (its own time-outs cannot reach us then). */
const CLIENT_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000;
const CONNECT_TIMEOUT_MS = 5_000;

export interface DataSourceSettings {
  /** The service's name, which is also its schema: no service reads another's tables. */
  readonly service: string;
  readonly url: string;
  readonly poolSize: number;
  /** The role to act as, which the URL's role must be allowed to set; by default the URL's role itself. */
  readonly role?: string;
  readonly entities: MixedList<NewableFunction>;
  readonly migrations: MixedList<new () => MigrationInterface>;
}

/** A DataSource that is not connected yet; see `connectAndMigrate`. */
export function createDataSource(settings: DataSourceSettings): DataSource {
  return new DataSource({
    type: 'postgres',
    url: settings.url,
    schema: settings.service,
    entities: settings.entities as never,
    migrations: settings.migrations as never,
    migrationsTransactionMode: 'each',
    synchronize: false,
    installExtensions: false,
    applicationName: `bongsu-${settings.service}`,
    poolSize: settings.poolSize,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    extra: {
      options: `-c search_path=${settings.service} -c timezone=UTC -c jit=off${settings.role ? ` -c role=${settings.role}` : ''}`,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: CLIENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: 60_000,
      lock_timeout: 20_000,
      keepAlive: true,
      onConnect: surviveLoss,
    },
  });
}

/**
 * The pool listens for errors of a connection only while it is idle. One that the server ends at the very moment when it is
 * handed from one user to the next would emit its error to nobody, which ends the process; the statement that comes
 * next on it fails anyway.
 */
function surviveLoss(client: PoolClient): void {
  client.on('error', () => undefined);
}

/** The pg pool under a connected DataSource: hot paths speak to it without TypeORM's statement building. */
export function poolOf(dataSource: DataSource): Pool {
  return (dataSource.driver as unknown as { master: Pool }).master;
}

/**
 * Connects, waiting for PostgreSQL with back-off as long as it takes, and brings the schema up to date. Replicas that start
 * together take turns by an advisory lock. Rejects when a migration fails or the signal aborts.
 */
export async function connectAndMigrate(dataSource: DataSource, logger: Logger, signal?: AbortSignal): Promise<void> {
  await connect(dataSource, logger, signal);
  await migrate(dataSource, logger);
}

/** The longest waits between two tries, milliseconds: where it may be back at any moment, and where somebody has to mend it. */
const LONGEST_WAIT_MS = { away: 3_000, refused: 15_000 };

/**
 * Connects, waiting for PostgreSQL with back-off as long as it takes, and saying each time why. Rejects when the signal
 * aborts.
 */
export async function connect(dataSource: DataSource, logger: Logger, signal?: AbortSignal): Promise<void> {
  for (let delayMs = 50; !dataSource.isInitialized;) {
    signal?.throwIfAborted();
    try {
      await dataSource.initialize();
    } catch (error) {
      const refusal = refusalIn(error);
      delayMs = Math.min(delayMs * 2, refusal ? LONGEST_WAIT_MS.refused : LONGEST_WAIT_MS.away);
      if (refusal) logger.error(`${refusal}; trying again in ${delayMs} ms`);
      else logger.warn({ err: error }, `PostgreSQL does not answer, trying again in ${delayMs} ms`);
      await sleep(delayMs, undefined, signal ? { signal } : {});
    }
  }
}

async function migrate(dataSource: DataSource, logger: Logger): Promise<void> {
  const schema = (dataSource.options as { schema?: string }).schema ?? 'public';
  const lock = await poolOf(dataSource).connect();
  try {
    // A session lock, not a transaction's: migrations run on connections of their own. It ends with the connection if we die.
    await lock.query('SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0');
    const takeTurns: QueryConfig & { query_timeout: number } = {
      text: 'SELECT pg_advisory_lock(hashtextextended($1, 0))',
      values: [`bongsu migrations ${schema}`],
      query_timeout: 600_000,
    };
    await lock.query(takeTurns);
    await createSchema(dataSource, schema);
    const done = await dataSource.runMigrations();
    if (done.length > 0)
      logger.info({ migrations: done.map(({ name }) => name) }, 'Database schema brought up to date');
  } finally {
    lock.release(true);
  }
}

/** Where an operator made no schema for the role yet and the role may create one; the stacks' init script makes it beforehand. */
async function createSchema(dataSource: DataSource, schema: string): Promise<void> {
  const [found] = await dataSource.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
  if (!found) await dataSource.query(`CREATE SCHEMA IF NOT EXISTS "${schema.replaceAll('"', '""')}"`);
}
