import type { Logger } from '@bongsu/observability';
import type { Ledger } from '../ledger/ledger.js';
import type { Shards } from '../ledger/shards.js';
import type { Dispatcher } from './dispatcher.js';

export interface ClaimerOptions {
  readonly ledger: Ledger;
  readonly shards: Shards;
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
  /** Deliveries in memory at most; what is claimed fills up to here. */
  readonly capacity: number;
  /** How often due work is looked for, milliseconds: a retry is at most this late. */
  readonly pollMs: number;
}

/** Deliveries leased by one statement at most. */
const CLAIM_LIMIT = 1000;

/**
 * Brings work from the ledger to the dispatcher: due retries and scheduled deliveries, and, of a shard that has just come to
 * this worker, everything that its former owner left behind, before anything newer.
 */
export class Claimer {
  readonly #options: ClaimerOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ClaimerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#round();
    }, ms);
  }

  async #round(): Promise<void> {
    let again = false;
    try {
      again = await this.#claimDue();
      for (const shard of this.#options.shards.catchingUp) again = (await this.#catchUp(shard)) || again;
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'Due deliveries could not be claimed');
      again = false;
    }
    this.#schedule(again ? 0 : this.#options.pollMs);
  }

  /** True when there is probably more. */
  async #claimDue(): Promise<boolean> {
    const { ledger, shards, dispatcher } = this.#options;
    const settled = shards.owned.filter((shard) => !shards.isCatchingUp(shard));
    const limit = this.#room();
    if (settled.length === 0 || limit === 0) return false;
    const due = await ledger.claim(settled, limit);
    dispatcher.add(due);
    return due.length === limit;
  }

  /** Alone with the shard: new work waits meanwhile, and once nothing older is left it may go straight to memory. */
  async #catchUp(shard: number): Promise<boolean> {
    const { ledger, shards, dispatcher } = this.#options;
    return shards.exclusively(shard, async () => {
      const limit = this.#room();
      if (limit === 0 || !shards.owned.includes(shard)) return false;
      const older = await ledger.claim([shard], limit);
      dispatcher.add(older);
      if (older.length === limit) return true;
      if (!(await ledger.heldByOthers(shard))) shards.caughtUp(shard);
      return false;
    });
  }

  #room(): number {
    return Math.max(0, Math.min(CLAIM_LIMIT, this.#options.capacity - this.#options.dispatcher.size));
  }
}
