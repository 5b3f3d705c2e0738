import type { Query } from '@bongsu/audit-chain';
import type { Logger } from '@bongsu/observability';
import { connectAndMigrate, createDataSource, query, transaction, type Statement, type Tx } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { Chain1795219300000 } from './migrations/1795219300000-chain.js';
import { prepareMonths } from './month-partitions.js';

/** The audit service's database, connected and up to date. */
export class Database {
  readonly #dataSource: DataSource;

  private constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** Waits for PostgreSQL, as long as it takes or until the signal aborts (then it rejects). */
  static async open(url: string, poolSize: number, logger: Logger, signal?: AbortSignal): Promise<Database> {
    const dataSource = createDataSource({
      service: 'audit',
      url,
      poolSize,
      entities: [],
      migrations: [Chain1795219300000],
    });
    await connectAndMigrate(dataSource, logger, signal);
    const database = new Database(dataSource);
    await database.prepareMonths(Date.now());
    return database;
  }

  query<R = unknown>(sql: string | Statement, values?: readonly unknown[]): Promise<R[]> {
    return query<R>(this.#dataSource, sql, values);
  }

  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return transaction(this.#dataSource, work);
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
    return this.transaction((tx) => prepareMonths(tx, now));
  }

  /** Rejects when it does not answer: for the readiness check. */
  async check(): Promise<void> {
    await this.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.#dataSource.destroy();
  }
}
