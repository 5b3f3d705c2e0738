import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@bongsu/observability';
import { StreamClosedError, isInfrastructureError } from '@bongsu/persistence';
import { deliveryFields } from '../dispatch/attempt.js';
import type { LeasedDelivery } from '../ledger/delivery.js';
import type { Ledger, Settlement } from '../ledger/ledger.js';

/** Settlements in one transaction at most. */
const MAX_BATCH = 500;
/**
 * How long a few outcomes of bulk wait for more while bulk gives way, milliseconds. Bulk is called a few at a time then, and to write
 * each few as soon as they are there costs the processor ten times as much as to write them together.
 */
const GATHER_MS = 50;
/** So many are worth writing at once. */
const MANY = 100;

export interface SettlerEvents {
  /** Facts were committed to the outbox. */
  onCommitted(settlements: readonly Settlement[]): void;
  /** Ordered deliveries whose turn has come. */
  onWoken(deliveries: readonly LeasedDelivery[]): void;
  /** The ledger will not have this one's outcome, whatever is done. */
  onAbandoned(delivery: LeasedDelivery): void;
  /** Another process has taken this one for dead; it must end. */
  onLeaseLost(): void;
}

/**
 * Writes outcomes to the ledger in batches: one transaction is under way, what comes meanwhile is the next batch. An
 * outcome is kept until it is written, however long the database is away: the call was made and must not be forgotten.
 */
export class Settler {
  readonly #ledger: Ledger;
  readonly #events: SettlerEvents;
  readonly #logger: Logger;
  readonly #isYielding: () => boolean;
  #waiting: Settlement[] = [];
  #unsettled = 0;
  #running: Promise<void> | undefined;
  #goOn: (() => void) | undefined;

  /** @param isYielding whether bulk gives way to urgent deliveries at present */
  constructor(ledger: Ledger, events: SettlerEvents, logger: Logger, isYielding: () => boolean = () => false) {
    this.#ledger = ledger;
    this.#events = events;
    this.#logger = logger;
    this.#isYielding = isYielding;
  }

  /** Outcomes that are not in the ledger yet. */
  get unsettled(): number {
    return this.#unsettled;
  }

  add(settlement: Settlement): void {
    this.#waiting.push(settlement);
    this.#unsettled++;
    if (this.#goOn && !this.#mayWait()) this.#goOn();
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is left to write. */
  async drained(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // What finishes in the same turn of the event loop belongs to the same batch.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      await this.#write(batch);
      if (this.#mayWait()) await this.#gather();
    }
    this.#running = undefined;
  }

  #mayWait(): boolean {
    return this.#isYielding() && this.#waiting.length < MANY && this.#waiting.every(isBulk);
  }

  async #gather(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GATHER_MS);
      this.#goOn = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#goOn = undefined;
  }

  async #write(batch: readonly Settlement[]): Promise<void> {
    for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 5000)) {
      try {
        const woken = await this.#ledger.settle(batch);
        this.#unsettled -= batch.length;
        this.#events.onCommitted(batch);
        if (woken.length > 0) this.#events.onWoken(woken);
        return;
      } catch (error) {
        if (error instanceof StreamClosedError) return this.#events.onLeaseLost();
        if (!isInfrastructureError(error)) return this.#isolate(batch, error);
        this.#logger.warn({ err: error }, `Outcomes wait for the database: trying again in ${delayMs} ms`);
        await sleep(delayMs);
      }
    }
  }

  /** An outcome that the database refuses for what it holds must not keep the others from being written. */
  async #isolate(batch: readonly Settlement[], error: unknown): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only) {
      this.#logger.error(
        { err: error, ...deliveryFields(only.delivery) },
        'An outcome cannot be written; the delivery is tried again when this worker ends',
      );
      this.#unsettled--;
      this.#events.onAbandoned(only.delivery);
      return;
    }
    const middle = batch.length >> 1;
    await this.#write(batch.slice(0, middle));
    await this.#write(batch.slice(middle));
  }
}

const isBulk = ({ delivery }: Settlement): boolean => delivery.priority === 'bulk';
