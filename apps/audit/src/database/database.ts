import type { Query } from '@bongsu/audit-chain';
import type { Logger } from '@bongsu/observability';
import {
  connect,
  connectAndMigrate,
  createDataSource,
  query,
  transaction,
  type Statement,
  type Tx,
} from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { Chain1795219300000 } from './migrations/1795219300000-chain.js';
import { InsertOnly1795219400000 } from './migrations/1795219400000-insert-only.js';
import { Erasures1795306000000 } from './migrations/1795306000000-erasures.js';
import { Checkpoints1795309000000 } from './migrations/1795309000000-checkpoints.js';
import { prepareMonths } from './month-partitions.js';
import { actAs, ERASER, OWNER, rolesOf, warnOfRights, type Role } from './roles.js';

const MIGRATIONS = [Chain1795219300000, InsertOnly1795219400000, Erasures1795306000000, Checkpoints1795309000000];

/** The audit service's database, connected and up to date. What it hands out may SELECT and INSERT (roles.ts). */
export class Database {
  readonly #dataSource: DataSource;
  readonly #roles: ReadonlySet<Role>;

  private constructor(dataSource: DataSource, roles: ReadonlySet<Role>) {
    this.#dataSource = dataSource;
    this.#roles = roles;
  }

  /** Waits for PostgreSQL, as long as it takes or until the signal aborts (then it rejects). */
  static async open(url: string, poolSize: number, logger: Logger, signal?: AbortSignal): Promise<Database> {
    const settings = { service: 'audit', url, entities: [] };
    const dataSource = createDataSource({ ...settings, poolSize, migrations: [] });
    await connect(dataSource, logger, signal);
    try {
      const roles = await rolesOf(dataSource);
      // Three connections: one holds the lock, one migrates, one is TypeORM's own for what it asks meanwhile.
      const owning = { ...settings, poolSize: 3, migrations: MIGRATIONS, ...(roles.has(OWNER) ? { role: OWNER } : {}) };
      await migrate(createDataSource(owning), logger, signal);
      await warnOfRights(dataSource, logger);
      const database = new Database(dataSource, roles);
      await database.prepareMonths(Date.now());
      return database;
    } catch (error) {
      await dataSource.destroy();
      throw error;
    }
  }

  query<R = unknown>(sql: string | Statement, values?: readonly unknown[]): Promise<R[]> {
    return query<R>(this.#dataSource, sql, values);
  }

  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return transaction(this.#dataSource, work);
  }

  /** A transaction that may empty payloads (with their salts and recipients), and may do nothing else but read. */
  eraserTransaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transactionAs(ERASER, work);
  }

  /** Reads in one unchanging state of the database, while others write. */
  snapshot<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.transaction(async (tx) => {
      await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
      return await work((sql, values) => tx.query(sql, values));
    });
  }

  /** Makes the partitions of the months around `now` (milliseconds since 1970). */
  prepareMonths(now: number): Promise<void> {
    return this.#transactionAs(OWNER, (tx) => prepareMonths(tx, now));
  }

  /** Rejects when it does not answer: for the readiness check. */
  async check(): Promise<void> {
    await this.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.#dataSource.destroy();
  }

  #transactionAs<T>(role: Role, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.transaction(async (tx) => {
      if (this.#roles.has(role)) await actAs(tx, role);
      return await work(tx);
    });
  }
}

async function migrate(dataSource: DataSource, logger: Logger, signal: AbortSignal | undefined): Promise<void> {
  try {
    await connectAndMigrate(dataSource, logger, signal);
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}
