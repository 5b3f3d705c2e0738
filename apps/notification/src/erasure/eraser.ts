import type { CancelRequested, RecipientErased } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { erasedNotifications, Erasures, query, Sweeper, transaction } from '@bongsu/persistence';
import type { DataSource } from '../database/data-source.js';
import { BLANK_REQUESTS, IS_ANYTHING_LEFT } from './sql/blank-requests.js';
import { FIND_PENDING, type PendingRow } from './sql/find-pending.js';

/** Who asks for the cancellations that an erasure means. */
const ASKED_BY = 'erasure';

/** The part of the engine that erasing needs. */
export interface Cancelling {
  readonly shards: { readonly owned: number[] };
  cancel(shard: number, commands: readonly CancelRequested[]): Promise<void>;
}

export interface EraserOptions {
  readonly dataSource: DataSource;
  readonly engine: Cancelling;
  readonly logger: Logger;
  /** Default 15 s. */
  readonly everyMs?: number;
}

/**
 * Erases recipients from the ledger: cancels what of theirs has not been sent, and leaves of their requests no person. What to
 * erase is a list in the ledger; every worker cancels in the shards that it owns, and looks again from time to time for
 * what was accepted before an erasure and taken in after it.
 */
export class Eraser {
  readonly #options: EraserOptions;
  readonly #sweeper: Sweeper;

  constructor(options: EraserOptions) {
    this.#options = options;
    this.#sweeper = new Sweeper({ ...options, sweep: () => this.sweep() });
  }

  /** Puts recipients on the list; resolves when they are on it. The rest is done in the background. */
  async erase(recipients: readonly RecipientErased[]): Promise<void> {
    await transaction(this.#options.dataSource, (tx) => Erasures.remember(tx, recipients));
    this.#sweeper.notify();
  }

  start(): void {
    this.#sweeper.start();
  }

  async stop(): Promise<void> {
    await this.#sweeper.stop();
  }

  /** One round; gives how many notifications it cancelled or erased. */
  async sweep(): Promise<number> {
    const { dataSource, engine, logger } = this.#options;
    const began = new Date();
    const pending = await query<PendingRow>(dataSource, FIND_PENDING, [engine.shards.owned]);
    for (const [shard, rows] of Map.groupBy(pending, (row) => row.shard)) {
      await engine.cancel(shard, rows.map(cancellation));
    }
    const erased = await query<{ id: string }>(dataSource, BLANK_REQUESTS);
    erasedNotifications.inc(erased.length);
    if (erased.length > 0) logger.info({ notifications: erased.length }, "Recipients' data was erased");
    const done = pending.length + erased.length;
    if (done === 0) await this.#noteSwept(began);
    return done;
  }

  /** Only when no worker has anything left: what waits in another's shard is its to cancel first. */
  async #noteSwept(began: Date): Promise<void> {
    await transaction(this.#options.dataSource, async (tx) => {
      const [row] = await tx.query<{ left: boolean }>(IS_ANYTHING_LEFT);
      if (row?.left === false) await Erasures.swept(tx, began);
    });
  }
}

const cancellation = ({ id, tenant }: PendingRow): CancelRequested => ({
  notificationId: id,
  tenant,
  requestedAt: new Date().toISOString(),
  apiKeyId: ASKED_BY,
});
