import type { Logger } from '@bongsu/observability';
import type { DataSource } from 'typeorm';
import { query } from '../transaction.js';
import { partitionsDropped, partitionsOverdue, partitionsTotal } from './metrics.js';
import { dropEnded, type Dropping, type Retention } from './retention.js';

/** A service that is restarted more often than hourly must come to it, too; one that has just started has other work. */
const FIRST_MS = 30_000;
const EVERY_MS = 3_600_000;

export interface HousekeeperOptions {
  readonly dataSource: DataSource;
  /** Makes the partitions that will be needed; safe when several replicas do it together. */
  readonly prepare: (now: number) => Promise<void>;
  readonly retentions: readonly Retention[];
  readonly logger: Logger;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Makes partitions ahead of time and drops those that are older than their retention, hourly, in any number of replicas. */
export class Housekeeper {
  readonly #options: Required<HousekeeperOptions>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: HousekeeperOptions) {
    this.#options = { now: Date.now, ...options };
  }

  start(): void {
    this.#schedule(FIRST_MS);
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#running;
  }

  /** Does everything once. Never rejects: what fails is logged, and tried again the next time. */
  async run(): Promise<void> {
    const { prepare, retentions, now } = this.#options;
    await this.#attempt('Partitions could not be made', () => prepare(now()));
    for (const retention of retentions) {
      await this.#attempt('Old partitions could not be dropped', () => this.#drop(retention));
    }
  }

  #schedule(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#running = this.run().then(() => {
        if (this.#timer) this.#schedule(EVERY_MS);
      });
    }, ms).unref();
  }

  async #drop(retention: Retention): Promise<void> {
    const { dataSource, logger, now } = this.#options;
    const { dropped, kept, busy } = await dropEnded(dataSource, retention, now());
    if (dropped.length > 0) logger.info({ retention: retention.name, dropped }, 'Old partitions were dropped');
    if (busy.length > 0)
      logger.info({ retention: retention.name, busy }, 'Old partitions are in use; to be dropped later');
    for (const { table } of retention.tables) {
      const of = (names: Dropping['kept']): number => names.filter((name) => ofTable(table, name)).length;
      partitionsDropped.inc({ table }, of(dropped));
      partitionsOverdue.set({ table }, of(kept) + of(busy));
      const [row] = await query<{ partitions: string }>(dataSource, COUNT, [table]);
      partitionsTotal.set({ table }, Number(row?.partitions ?? 0));
    }
  }

  async #attempt(failure: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.logger.warn({ err: error }, `${failure}; they will be in an hour`);
    }
  }
}

const ofTable = (table: string, partition: string): boolean =>
  partition.startsWith(`${table}_`) && /^\d{10}$/.test(partition.slice(table.length + 1));

const COUNT = `
  SELECT count(*) AS partitions FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
   WHERE i.inhparent = to_regclass($1) AND c.relname ~ '_[0-9]{10}$'`;
