import {
  PRIORITIES,
  deliveryId,
  type NotificationRequested,
  type OutgoingRecord,
  type Priority,
} from '@bongsu/contracts';
import { Outbox, StreamClosedError, query, transaction, type Tx } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { expireGone, findGone } from '../housekeeping/gone-weeks.js';
import { priorityNumber, toLeased, type ClaimedRow, type LeasedDelivery } from './delivery.js';
import type { Shards } from './shards.js';
import { BACKLOG, EMPTY_BACKLOG, LEASE_BACKLOG } from './sql/backlog.js';
import { END_CANCELLED, ORDERED_KEYS, REMEMBER_CANCELLATION } from './sql/cancel.js';
import { CLAIM_DUE, COUNT_DUE, HELD_BY_OTHERS } from './sql/claim-due.js';
import { INSERT_ACCEPTED } from './sql/insert-accepted.js';
import { GIVE_BACK, SETTLE } from './sql/settle.js';
import { LOCK_ORDERED, WAKE_ORDERED } from './sql/wake-ordered.js';
import type { Worker } from './workers.js';

/** A request as it came from Kafka, with the bytes that are kept. */
export interface AcceptedRequest {
  readonly key: string;
  readonly request: NotificationRequested;
  readonly bytes: Buffer;
}

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

  constructor(dataSource: DataSource, worker: Worker, shards: Shards) {
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
    return transaction(this.#dataSource, async (tx) => {
      await this.#shards.assertOwned(tx, shard);
      const gone = await expireGone(tx, this.#worker.stream, deliveries, Date.now());
      const known = batch.filter(({ request }) => !gone.has(request.id));
      if (ordered.length > 0) await tx.query(LOCK_ORDERED, [ordered.map(({ key }) => key)]);
      const born = await tx.query<{ id: string; cancelled: boolean }>(INSERT_ACCEPTED, [
        known.map(({ request }) => request.id),
        known.map(({ request }) => request.tenant),
        known.map(({ request }) => request.recipient.id),
        known.map(({ key }) => key),
        known.map(({ request }) => request.acceptedAt),
        known.map(({ bytes }) => bytes),
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
      ]);
      const cancelled = new Map(born.map((row) => [row.id, row.cancelled]));
      const started = deliveries
        .filter(({ id }) => cancelled.has(id))
        .map((delivery) => ({ ...delivery, cancelled: cancelled.get(delivery.id) === true }));
      return [...started, ...(await this.#wake(tx, ordered, wake))];
    });
  }

  /** Leases up to `limit` due deliveries of the given shards, oldest first. */
  async claim(shards: readonly number[], limit: number): Promise<LeasedDelivery[]> {
    const rows = await transaction(this.#dataSource, (tx) =>
      tx.query<ClaimedRow>(CLAIM_DUE, [this.#worker.id, shards, limit]),
    );
    return rows.map(toLeased);
  }

  /** Leases the next deliveries of flows that wait in the ledger, in the order they were accepted. */
  async leaseBacklog(parts: readonly BacklogPart[]): Promise<LeasedDelivery[]> {
    const rows = await transaction(this.#dataSource, (tx) =>
      tx.query<ClaimedRow>(LEASE_BACKLOG, [
        this.#worker.id,
        parts.map(({ shard }) => shard),
        parts.map(({ flow }) => flow),
        parts.map(({ count }) => count),
      ]),
    );
    return rows.map(toLeased);
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
    const ids = settlements.map(({ delivery }) => delivery.id);
    return transaction(this.#dataSource, async (tx) => {
      if (ended.length > 0) await tx.query(LOCK_ORDERED, [ended.map(({ key }) => key)]);
      const written = await tx.query<{ id: string }>(SETTLE, [
        this.#worker.id,
        ids,
        settlements.map(({ status }) => status),
        settlements.map(({ attempts }) => attempts),
        settlements.map(({ version }) => version),
        settlements.map(({ nextAttemptAt }) => nextAttemptAt),
        settlements.map((each) => (each.ended ? new Date() : null)),
        ids.reduce((least, id) => (id < least ? id : least)),
        ids.reduce((most, id) => (id > most ? id : most)),
        settlements.map(({ postponed }) => postponed),
      ]);
      const ours = new Set(written.map(({ id }) => id));
      const kept = settlements.filter(({ delivery }) => ours.has(delivery.id));
      await Outbox.append(
        tx,
        this.#worker.stream,
        kept.flatMap(({ fact }) => fact ?? []),
      );
      if (kept.length < settlements.length) await this.#assertStream(tx);
      return this.#wake(tx, ended, true);
    });
  }

  /**
   * Remembers cancellations of a shard's notifications and ends those of their deliveries that wait in the ledger. Gives the
   * ordered deliveries whose turn has come by it, leased.
   */
  async cancel(
    shard: number,
    cancellations: readonly { notificationId: string; requestedAt: string }[],
    factOf: FactOf,
  ): Promise<LeasedDelivery[]> {
    const ids = cancellations.map(({ notificationId }) => notificationId);
    return transaction(this.#dataSource, async (tx) => {
      await this.#shards.assertOwned(tx, shard);
      const gone = await findGone(tx, ids, Date.now());
      const known = cancellations.filter(({ notificationId }) => !gone.has(notificationId));
      await tx.query(REMEMBER_CANCELLATION, [
        known.map(({ notificationId }) => notificationId),
        known.map(({ requestedAt }) => requestedAt),
      ]);
      const keys = await tx.query<{ key: string }>(ORDERED_KEYS, [ids]);
      if (keys.length > 0) await tx.query(LOCK_ORDERED, [keys.map(({ key }) => key)]);
      const ended = (await tx.query<ClaimedRow>(END_CANCELLED, [ids])).map(toLeased);
      await Outbox.append(tx, this.#worker.stream, ended.map(factOf));
      return this.#wake(
        tx,
        ended.filter((delivery) => delivery.ordered),
        !this.#shards.isCatchingUp(shard),
      );
    });
  }

  async giveBack(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await query(this.#dataSource, GIVE_BACK, [this.#worker.id, ids]);
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

  /** A batch in which leases were lost may mean that all of them are. */
  async #assertStream(tx: Tx): Promise<void> {
    const rows = await tx.query('SELECT 1 FROM outbox_streams WHERE stream = $1', [this.#worker.stream]);
    if (rows.length === 0) throw new StreamClosedError(this.#worker.stream);
  }
}

/** One that is scheduled or in strict order waits in the ledger in any case. */
const mayStart = ({ ordered, request: { sendAt } }: LeasedDelivery): boolean =>
  !ordered && (sendAt === undefined || Date.parse(sendAt) <= Date.now());

/** A producer that had to repeat itself may leave the same record twice in one batch. */
function firstOfEach(records: readonly AcceptedRequest[]): AcceptedRequest[] {
  const first = new Map<string, AcceptedRequest>();
  for (const record of records) if (!first.has(record.request.id)) first.set(record.request.id, record);
  return [...first.values()];
}

function toDelivery(shard: number, accepted: AcceptedRequest, channel: LeasedDelivery['channel']): LeasedDelivery {
  const { request, key } = accepted;
  return {
    id: deliveryId(request.id, channel),
    notificationId: request.id,
    shard,
    key,
    channel,
    priority: request.priority,
    ordered: request.orderingKey !== undefined,
    attempts: 0,
    scheduleFrom: 0,
    version: 0,
    cancelled: false,
    postponed: false,
    request,
  };
}
