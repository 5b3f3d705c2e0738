import { setTimeout as sleep } from 'node:timers/promises';
import { isInfrastructureError, query, transaction } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { toLeased, type ClaimedRow, type LeasedDelivery } from './delivery.js';
import type { Shards } from './shards.js';
import { AWAIT_OUTBOX, AWAIT_SHARDS, LEASED, LEASED_IN_FULL } from './sql/leased.js';
import { GIVE_BACK } from './sql/settle.js';
import type { Worker } from './workers.js';

/** Deliveries that were leased to this worker without its knowing, in the order they were accepted; they are its own now. */
export type OnFound = (deliveries: readonly LeasedDelivery[]) => void;

/**
 * How long leasing waits for what an earlier statement may have leased, milliseconds. It is a matter of two statements; longer
 * only behind a transaction that nobody ends, and for that the others do not stand still.
 */
const PATIENCE_MS = 5_000;

/**
 * What this worker has in hand, beside what the ledger says it has. When a connection breaks, the statement may have been
 * committed all the same: then deliveries are leased to a worker that has them nowhere, and as long as it lives nobody would
 * ever start them. So it asks the ledger for all that it holds, after each such failure before it leases anything more (which
 * keeps first attempts in order), and from time to time, for whatever else may have lost one.
 *
 * One look is exact, as nothing is taken for unknown that was in hand at any time since before the question, or that a
 * statement may have leased whose answer was still on its way.
 */
export class Leases {
  readonly #dataSource: DataSource;
  readonly #worker: Worker;
  readonly #shards: Shards;
  readonly #onFound: OnFound;
  /** How many times each is in hand: one may be claimed again before the answer has come that its retry was written. */
  readonly #held = new Map<string, number>();
  /** Statements that lease and are not over. */
  readonly #underWay = new Set<Promise<unknown>>();
  /** What has left since the present look began. */
  #left: Set<string> | undefined;
  #looking: Promise<void> | undefined;
  #lookingSince = 0;
  /** Statements whose outcome nobody knows; and how many of them a look has followed. */
  #unheard = 0;
  #followed = 0;

  constructor(dataSource: DataSource, worker: Worker, shards: Shards, onFound: OnFound) {
    this.#dataSource = dataSource;
    this.#worker = worker;
    this.#shards = shards;
    this.#onFound = onFound;
  }

  /** Runs what leases deliveries that have no order in the ledger: once it is known what was leased before. */
  async lease(work: () => Promise<LeasedDelivery[]>): Promise<LeasedDelivery[]> {
    const isUncertain = this.#unheard > this.#followed;
    if (isUncertain) await this.certain();
    const leased = await this.wake(work);
    // One that PostgreSQL had not begun with when it was waited for: this one has waited for its rows since.
    if (isUncertain) await this.#patiently(this.look()).catch(() => undefined);
    return leased;
  }

  /** Runs what leases those whose turn has come in strict order: the ledger keeps it, so it need not wait. */
  async wake(work: () => Promise<LeasedDelivery[]>): Promise<LeasedDelivery[]> {
    const run = work().then(
      (leased) => {
        this.#hold(leased);
        return leased;
      },
      (error: unknown) => {
        this.#unheard++;
        throw error;
      },
    );
    this.#underWay.add(run);
    try {
      return await run;
    } finally {
      this.#underWay.delete(run);
    }
  }

  /** Whether it was leased to this worker a second time before it was heard that its last outcome was written. */
  isClaimedAgain({ id }: LeasedDelivery): boolean {
    return (this.#held.get(id) ?? 0) > 1;
  }

  /** Their outcomes are written: they are in hand no longer. */
  settled(deliveries: readonly LeasedDelivery[]): void {
    for (const { id } of deliveries) this.#leave(id);
  }

  /** Gives leases back. Those that could not be are found by the next look. */
  async giveBack(ids: readonly string[]): Promise<void> {
    try {
      if (ids.length > 0) await query(this.#dataSource, GIVE_BACK, [this.#worker.id, ids]);
    } catch (error) {
      this.#unheard++;
      throw error;
    } finally {
      for (const id of ids) this.#leave(id);
    }
  }

  /** Resolves when no statement's outcome is unknown, or after a while. Rejects when the ledger cannot be asked. */
  async certain(): Promise<void> {
    for (const upTo = this.#unheard; this.#followed < upTo;) {
      try {
        if (!(await this.#patiently(this.look()))) return;
      } catch (error) {
        // Any other is a defect, of which the regular look speaks: nothing is to stand still for it.
        if (isInfrastructureError(error)) throw error;
      }
    }
  }

  /** Waits for the present look, but no longer than there is patience with it: false when that was over before. */
  async #patiently(looking: Promise<void>): Promise<boolean> {
    const leftMs = this.#lookingSince + PATIENCE_MS - performance.now();
    if (leftMs <= 0) return false;
    await Promise.race([looking, sleep(leftMs, undefined, { ref: false })]);
    return true;
  }

  /** Asks the ledger what this worker holds, and takes what it has nowhere; gives it back where the shard is not its own, or still catching up. */
  look(): Promise<void> {
    if (!this.#looking) {
      this.#lookingSince = performance.now();
      this.#looking = this.#look().finally(() => (this.#looking = undefined));
      // Who has lost patience does not hear of it.
      this.#looking.catch(() => undefined);
    }
    return this.#looking;
  }

  async #look(): Promise<void> {
    const unheard = this.#unheard;
    try {
      if (unheard > this.#followed) await this.#awaitUnheard();
      this.#left = new Set();
      const rows = await query<{ id: string }>(this.#dataSource, LEASED, [this.#worker.id]);
      await Promise.allSettled(this.#underWay);
      const unknown = rows.filter(({ id }) => !this.#held.has(id) && !this.#left?.has(id));
      if (unknown.length > 0) await this.#find(unknown.map(({ id }) => id));
      this.#followed = unheard;
    } catch (error) {
      if (!isInfrastructureError(error)) this.#followed = unheard;
      throw error;
    } finally {
      this.#left = undefined;
    }
  }

  /** PostgreSQL goes on with a statement whose connection broke: what it leases is there only when it has ended. */
  async #awaitUnheard(): Promise<void> {
    // Ours first: they hold the rows of several shards, in no order.
    await Promise.allSettled(this.#underWay);
    await transaction(this.#dataSource, async (tx) => {
      await tx.query(AWAIT_SHARDS, [this.#worker.id]);
      await tx.query(AWAIT_OUTBOX, [this.#worker.stream]);
    });
  }

  async #find(unknown: readonly string[]): Promise<void> {
    const rows = await query<ClaimedRow>(this.#dataSource, LEASED_IN_FULL, [this.#worker.id, unknown]);
    // While a shard catches up all of it is claimed in its order, and what was leased in an earlier stay is not the oldest.
    const isSettled = ({ shard }: ClaimedRow): boolean => !this.#shards.isCatchingUp(shard);
    const found = rows.filter(isSettled).map(toLeased);
    if (found.length > 0) {
      this.#hold(found);
      this.#onFound(found);
    }
    await this.giveBack(rows.filter((row) => !isSettled(row)).map(({ id }) => id));
  }

  #hold(deliveries: readonly LeasedDelivery[]): void {
    for (const { id } of deliveries) this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
  }

  #leave(id: string): void {
    const times = this.#held.get(id) ?? 0;
    if (times > 1) this.#held.set(id, times - 1);
    else this.#held.delete(id);
    this.#left?.add(id);
  }
}
