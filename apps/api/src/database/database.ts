import { setTimeout as sleep } from 'node:timers/promises';
import { BongsuError } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import {
  connectAndMigrate,
  Housekeeper,
  OUTBOX_RETENTION,
  query,
  transaction,
  type Statement,
  type Tx,
} from '@bongsu/persistence';
import type { DataSource, EntityTarget, ObjectLiteral, Repository } from 'typeorm';
import { preparePartitions, statusRetention } from './partitions.js';

/** How long a caller waits for an answer, milliseconds. A server that is stopped takes questions and answers nothing. */
const PATIENCE_MS = 5_000;
/** How long a process counts as not ready from its first try to reach the database, milliseconds. */
const START_UP_MS = 5_000;

/**
 * The API's database, which may be away, at the start too: notifications are accepted without it. Everything that needs it
 * goes through here and gets `database_unavailable` until it has been reached and brought up to date.
 */
export class Database {
  private readonly dataSource: DataSource;
  private readonly logger: Logger;
  private readonly stopping = new AbortController();
  private readonly whenReady = Promise.withResolvers<void>();
  private ready = false;
  private startedAt = Infinity;
  private readonly housekeeper: Housekeeper;

  /** @param statusRetentionMs for how long the read model keeps what has ended, milliseconds */
  constructor(dataSource: DataSource, statusRetentionMs: number, logger: Logger) {
    this.dataSource = dataSource;
    this.logger = logger;
    this.housekeeper = new Housekeeper({
      dataSource,
      prepare: (now) => transaction(dataSource, (tx) => preparePartitions(tx, now)),
      retentions: [statusRetention(statusRetentionMs), OUTBOX_RETENTION],
      logger,
    });
  }

  /** Connects and migrates in the background, for as long as it takes. A migration that fails is tried again: it may be a lock. */
  async start(): Promise<void> {
    this.startedAt = performance.now();
    for (let delayMs = 500; !this.ready && !this.stopping.signal.aborted; delayMs = Math.min(delayMs * 2, 10_000)) {
      try {
        await connectAndMigrate(this.dataSource, this.logger, this.stopping.signal);
        await transaction(this.dataSource, (tx) => preparePartitions(tx, Date.now()));
        this.ready = true;
        this.whenReady.resolve();
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        this.logger.error({ err: error }, 'the database could not be brought up to date; trying again');
        await sleep(delayMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
    // It may have been stopped while the last of the above was under way.
    if (this.ready && !this.stopping.signal.aborted) this.housekeeper.start();
  }

  /** Resolves when the database has been reached for the first time. */
  get reached(): Promise<void> {
    return this.whenReady.promise;
  }

  /** Whether it has been reached; it may be away again. */
  get isReady(): boolean {
    return this.ready;
  }

  /** The DataSource itself, for the outbox relay. Only after `reached`. */
  get source(): DataSource {
    return this.dataSource;
  }

  /** One statement, for whose answer somebody waits: `database_unavailable` when it does not come in a few seconds. */
  query<R = unknown>(sql: string | Statement, values?: readonly unknown[]): Promise<R[]> {
    return this.soon(() => query<R>(this.dataSource, sql, values));
  }

  /** Bounds any other work on the database in the same way. What it has begun may still be done, later. */
  async soon<T>(work: () => Promise<T>): Promise<T> {
    if (!this.ready) throw this.away();
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new BongsuError('database_unavailable')), PATIENCE_MS);
    try {
      return await Promise.race([work(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.ready ? transaction(this.dataSource, work) : Promise.reject(this.away());
  }

  /** TypeORM's repository of an entity, for what is not on a hot path. Throws `database_unavailable`. */
  repository<E extends ObjectLiteral>(entity: EntityTarget<E>): Repository<E> {
    if (!this.ready) throw this.away();
    return this.dataSource.getRepository(entity);
  }

  /** For the readiness report. Rejects while the database does not answer. */
  async check(): Promise<void> {
    await this.query('SELECT 1');
  }

  /**
   * Rejects for a moment after the start while the database has not been reached: replicas that are replaced one by one
   * would otherwise be sent reads that they must refuse. A database that is away for longer does not keep the API from work.
   */
  checkStartUp(): void {
    const isStartingUp = performance.now() < this.startedAt + START_UP_MS;
    if (!this.ready && isStartingUp) throw new Error('the database has not been reached yet');
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.housekeeper.stop();
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  private away(): BongsuError {
    return new BongsuError('database_unavailable', 'The database has not been reached yet');
  }
}
