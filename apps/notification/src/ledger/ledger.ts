import { PRIORITIES, type OutgoingRecord, type Priority } from '@bongsu/contracts';
import { Outbox, StreamClosedError, onPool, query, transaction, type Tx } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { expireGone, findGone, mayBeGone } from '../housekeeping/gone-weeks.js';
import { firstOfEach, givenOf, mayStart, toDelivery, tracesOf, type AcceptedRequest } from './accepted.js';
import { priorityNumber, toLeased, type ClaimedRow, type LeasedDelivery } from './delivery.js';
import { Leases, type OnFound } from './leases.js';
import type { Shards } from './shards.js';
import { BACKLOG, EMPTY_BACKLOG, LEASE_BACKLOG } from './sql/backlog.js';
import { END_CANCELLED, ORDERED_KEYS, REMEMBER_CANCELLATION } from './sql/cancel.js';
import { CLAIM_DUE, COUNT_DUE, HELD_BY_OTHERS } from './sql/claim-due.js';
import { INSERT_ACCEPTED } from './sql/insert-accepted.js';
import { SETTLE } from './sql/settle.js';
import { LOCK_ORDERED, WAKE_ORDERED } from './sql/wake-ordered.js';
import type { Worker } from './workers.js';

/** What became of a delivery, as it is written to the ledger. */
export interface Settlement {
  readonly delivery: LeasedDelivery;
  readonly status: string;
  readonly attempts: number;
  readonly version: number;
  readonly nextAttemptAt: Date | null;
  readonly ended: boolean;
  readonly postponed: boolean;
  /** What the other services are told; nothing when nothing happened. */
  readonly fact: OutgoingRecord | undefined;
}

/**
 * Whether a delivery that may start may be in memory: undefined when there is a place for it, else the number of the flow
 * under which it waits.
 */
export type Admit = (delivery: LeasedDelivery) => string | undefined;

/** So many deliveries of a flow in a shard. */
export interface BacklogPart {
  readonly shard: number;
  readonly flow: string;
  readonly count: number;
}

/** What waits of a flow in a shard. */
export interface BacklogOfFlow extends BacklogPart {
  readonly priority: Priority;
}

/** The delivery as a fact about its cancellation needs it. */
export type FactOf = (delivery: LeasedDelivery) => OutgoingRecord;

type WokenRow = ClaimedRow & { leased: boolean };

/** All that is read from and written to the ledger. Every method is one transaction, or one statement. */
export class Ledger {
  readonly #dataSource: DataSource;
  readonly #worker: Worker;
  readonly #shards: Shards;
  readonly #leases: Leases;

  /** @param onFound is given what was leased by statements whose answer never came */
  constructor(dataSource: DataSource, worker: Worker, shards: Shards, onFound: OnFound) {
    this.#leases = new Leases(dataSource, worker, shards, onFound);
    this.#dataSource = dataSource;
    this.#worker = worker;
    this.#shards = shards;
  }

  /**
   * Takes in one batch of a shard, once each however often it comes. Gives the deliveries that this worker may start at once.
   * @param admit says of each that may start now whether it may be in memory
   * @param wake false leaves ordered deliveries whose turn has come to be claimed
   */
  async takeIn(
    shard: number,
    records: readonly AcceptedRequest[],
    admit: Admit,
    wake: boolean,
  ): Promise<LeasedDelivery[]> {
    const batch = firstOfEach(records);
    const deliveries = batch.flatMap((accepted) =>
      accepted.request.channels.map((channel) => toDelivery(shard, accepted, channel)),
    );
    const ordered = deliveries.filter((delivery) => delivery.ordered);
    const flows = deliveries.map((delivery) => (mayStart(delivery) ? (admit(delivery) ?? null) : null));
    const insert = (tx: Tx, known: readonly AcceptedRequest[]): Promise<LeasedDelivery[]> =>
      this.#insertAccepted(tx, shard, known, deliveries, flows);
    return this.#leases.lease(() => {
      // One statement, when nothing has to be looked at before or done after it.
      if (ordered.length === 0 && !mayBeGone(deliveries, Date.now())) return insert(onPool(this.#dataSource), batch);
      return transaction(this.#dataSource, async (tx) => {
        await this.#shards.assertOwned(tx, shard);
        const gone = await expireGone(tx, this.#worker.stream, deliveries, Date.now());
        const known = batch.filter(({ request }) => !gone.has(request.id));
        if (ordered.length > 0) await tx.query(LOCK_ORDERED, [ordered.map(({ key }) => key)]);
        const started = await insert(tx, known);
        return [...started, ...(await this.#wake(tx, ordered, wake))];
      });
    });
  }

  /** Takes what is leased to this worker without its knowing, wherever it got lost. */
  findLost(): Promise<void> {
    return this.#leases.look();
  }

  /** The same at once, if a statement's answer never came; else nothing. */
  findUnheard(): Promise<void> {
    return this.#leases.certain();
  }

  /** Gives those that may start at once. Throws ShardLostError. */
  async #insertAccepted(
    tx: Tx,
    shard: number,
    accepted: readonly AcceptedRequest[],
    deliveries: readonly LeasedDelivery[],
    flows: readonly (string | null)[],
  ): Promise<LeasedDelivery[]> {
    const rows = await tx.query<{ id: string | null; cancelled: boolean }>(INSERT_ACCEPTED, [
      accepted.map(({ request }) => request.id),
      accepted.map(({ request }) => request.tenant),
      accepted.map(({ request }) => request.recipient.id),
      accepted.map(({ key }) => key),
      accepted.map(({ request }) => request.acceptedAt),
      accepted.map(({ bytes }) => bytes),
      deliveries.map(({ id }) => id),
      deliveries.map(({ notificationId }) => notificationId),
      deliveries.map(({ priority }) => priorityNumber(priority)),
      deliveries.map((delivery) => delivery.ordered),
      deliveries.map(({ key }) => key),
      deliveries.map(({ channel }) => channel),
      deliveries.map(({ request }) => request.sendAt ?? null),
      shard,
      this.#worker.id,
      flows,
      tracesOf(accepted),
    ]);
    if (rows.length === 0) throw this.#shards.lost(shard);
    return givenOf(deliveries, rows);
  }

  /** Leases up to `limit` due deliveries of the given shards, oldest first. */
  async claim(shards: readonly number[], limit: number): Promise<LeasedDelivery[]> {
    return this.#leases.lease(async () => {
      const rows = await transaction(this.#dataSource, (tx) =>
        tx.query<ClaimedRow>(CLAIM_DUE, [this.#worker.id, shards, limit]),
      );
      return rows.map(toLeased);
    });
  }

  /** Leases the next deliveries of flows that wait in the ledger, in the order they were accepted. */
  async leaseBacklog(parts: readonly BacklogPart[]): Promise<LeasedDelivery[]> {
    return this.#leases.lease(async () => {
      const rows = await transaction(this.#dataSource, (tx) =>
        tx.query<ClaimedRow>(LEASE_BACKLOG, [
          this.#worker.id,
          parts.map(({ shard }) => shard),
          parts.map(({ flow }) => flow),
          parts.map(({ count }) => count),
        ]),
      );
      return rows.map(toLeased);
    });
  }

  /** What waits in the ledger of these shards, flow by flow. */
  async backlog(shards: readonly number[]): Promise<BacklogOfFlow[]> {
    const rows = await query<{ shard: number; flow: string; priority: number; waiting: string }>(
      this.#dataSource,
      BACKLOG,
      [shards],
    );
    return rows.map(({ shard, flow, priority, waiting }) => {
      return { shard, flow, priority: PRIORITIES[priority] ?? 'bulk', count: Number(waiting) };
    });
  }

  /** Of these flows in their shards, those of which nothing waits in the ledger any more. */
  async emptyBacklog<P extends { readonly shard: number; readonly flow: string }>(parts: readonly P[]): Promise<P[]> {
    const rows = await query<{ shard: number; flow: string }>(this.#dataSource, EMPTY_BACKLOG, [
      parts.map(({ shard }) => shard),
      parts.map(({ flow }) => flow),
    ]);
    return parts.filter(({ shard, flow }) => rows.some((row) => row.shard === shard && row.flow === flow));
  }

  async heldByOthers(shard: number): Promise<boolean> {
    const [row] = await query<{ held: boolean }>(this.#dataSource, HELD_BY_OTHERS, [this.#worker.id, shard]);
    return row?.held === true;
  }

  /**
   * Writes a batch of settlements and their facts in one transaction. Those whose lease was lost are left out. Gives the
   * ordered deliveries whose turn has come by it, leased. Throws StreamClosedError when this worker was taken for dead.
   */
  async settle(settlements: readonly Settlement[]): Promise<LeasedDelivery[]> {
    const ended = settlements.filter((each) => each.ended && each.delivery.ordered).map((each) => each.delivery);
    // A postponement has no version to tell that it was written before: a second time it would free what was claimed meanwhile.
    const isWritten = ({ fact, delivery }: Settlement): boolean => !fact && this.#leases.isClaimedAgain(delivery);
    const unwritten = settlements.filter((each) => !isWritten(each));
    const write = async (tx: Tx): Promise<LeasedDelivery[]> => {
      if (ended.length > 0) await tx.query(LOCK_ORDERED, [ended.map(({ key }) => key)]);
      if (unwritten.length > 0) await this.#writeOutcomes(tx, unwritten);
      return this.#wake(tx, ended, true);
    };
    const woken =
      ended.length === 0
        ? await write(onPool(this.#dataSource))
        : await this.#leases.wake(() => transaction(this.#dataSource, write));
    this.#leases.settled(settlements.map(({ delivery }) => delivery));
    return woken;
  }

  async #writeOutcomes(tx: Tx, settlements: readonly Settlement[]): Promise<void> {
    const { id, stream } = this.#worker;
    const ids = settlements.map(({ delivery }) => delivery.id);
    const ofFact = <T>(of: (fact: OutgoingRecord) => T): (T | null)[] =>
      settlements.map(({ fact }) => (fact === undefined ? null : of(fact)));
    const rows = await tx.query(SETTLE, [
      id,
      ids,
      settlements.map(({ status }) => status),
      settlements.map(({ attempts }) => attempts),
      settlements.map(({ version }) => version),
      settlements.map(({ nextAttemptAt }) => nextAttemptAt),
      settlements.map((each) => (each.ended ? new Date() : null)),
      ids.reduce((least, each) => (each < least ? each : least)),
      ids.reduce((most, each) => (each > most ? each : most)),
      settlements.map(({ postponed }) => postponed),
      stream,
      ofFact(({ topic }) => topic),
      ofFact(({ key }) => key),
      ofFact(({ headers }) => JSON.stringify(headers)),
      ofFact(({ value }) => value),
    ]);
    if (rows.length === 0) throw new StreamClosedError(stream);
  }

  /**
   * Remembers cancellations of a shard's notifications and ends those of their deliveries that wait in the ledger. Gives these,
   * and the ordered deliveries whose turn has come by it, leased.
   */
  async cancel(
    shard: number,
    cancellations: readonly { notificationId: string; requestedAt: string }[],
    factOf: FactOf,
  ): Promise<{ ended: readonly LeasedDelivery[]; woken: readonly LeasedDelivery[] }> {
    let ended: readonly LeasedDelivery[] = [];
    const ids = cancellations.map(({ notificationId }) => notificationId);
    const write = async (tx: Tx): Promise<LeasedDelivery[]> => {
      await this.#shards.assertOwned(tx, shard);
      const gone = await findGone(tx, ids, Date.now());
      const known = cancellations.filter(({ notificationId }) => !gone.has(notificationId));
      await tx.query(REMEMBER_CANCELLATION, [
        known.map(({ notificationId }) => notificationId),
        known.map(({ requestedAt }) => requestedAt),
      ]);
      const keys = await tx.query<{ key: string }>(ORDERED_KEYS, [ids]);
      if (keys.length > 0) await tx.query(LOCK_ORDERED, [keys.map(({ key }) => key)]);
      ended = (await tx.query<ClaimedRow>(END_CANCELLED, [ids])).map(toLeased);
      await Outbox.append(tx, this.#worker.stream, ended.map(factOf));
      return this.#wake(
        tx,
        ended.filter((delivery) => delivery.ordered),
        !this.#shards.isCatchingUp(shard),
      );
    };
    const woken = await this.#leases.wake(() => transaction(this.#dataSource, write));
    return { ended, woken };
  }

  giveBack(ids: readonly string[]): Promise<void> {
    return this.#leases.giveBack(ids);
  }

  async countDue(): Promise<number> {
    const [row] = await query<{ due: string }>(this.#dataSource, COUNT_DUE);
    return Number(row?.due ?? 0);
  }

  async #wake(tx: Tx, ordered: readonly LeasedDelivery[], lease: boolean): Promise<LeasedDelivery[]> {
    if (ordered.length === 0) return [];
    const rows = await tx.query<WokenRow>(WAKE_ORDERED, [
      ordered.map(({ key }) => key),
      ordered.map(({ channel }) => channel),
      lease ? this.#worker.id : null,
    ]);
    return rows.filter((row) => row.leased).map(toLeased);
  }
}
