import type { CancelRequested, DeliveryFact, DeliveryStatus, NotificationRequested } from '@bongsu/contracts';
import type { Tx } from '@bongsu/persistence';
import { upsertEndpoints } from '../endpoints/projection.js';
import { foldStatus, initialStatus, isScheduled } from './fold.js';
import {
  cancelEntry,
  errorView,
  factEntry,
  failoverView,
  isCancellation,
  isEndpointFact,
  isRedrive,
  redriveEntry,
  requestEntry,
  type Command,
  type Fact,
  type Row,
  type TimelineRow,
} from './rows.js';
import { READ_FOLD, WRITE_STATUS } from './sql/fold-status.js';
import { HOLD_NOTIFICATIONS, NOTE_CANCELLATION } from './sql/hold-notifications.js';
import { INSERT_REQUESTED } from './sql/insert-requested.js';
import { INSERT_TIMELINE } from './sql/insert-timeline.js';
import { INSERT_ATTEMPTS, UPSERT_DELIVERIES } from './sql/upsert-deliveries.js';

/*
 * What requests, commands and facts change in the read model. They come from different topics, in any order among one another,
 * and those of one transaction from several partitions.
 */

export async function applyRequests(tx: Tx, rows: Row<NotificationRequested>[]): Promise<void> {
  const requests = firstOf(rows, ({ data }) => data.id);
  const data = requests.map((row) => row.data);
  const inserted = await tx.query<{ id: string; placeheld: boolean }>(INSERT_REQUESTED, [
    data.map(({ id }) => id),
    data.map(({ tenant }) => tenant),
    data.map(({ channels, acceptedAt, sendAt }) => initialStatus(channels, isScheduled(acceptedAt, sendAt))),
    data.map(({ acceptedAt }) => new Date(acceptedAt)),
    requests.map(({ record }) => record.key),
    data.map(({ recipient }) => JSON.stringify(recipient)),
    data.map(({ recipient }) => recipient.id),
    data.map(({ priority }) => priority),
    data.map(({ channels }) => channels.join(',')),
    data.map(({ category }) => category ?? null),
    data.map(({ orderingKey }) => orderingKey ?? null),
    data.map(({ content }) => content?.subject ?? null),
    data.map(({ metadata }) => (metadata === undefined ? null : JSON.stringify(metadata))),
    data.map(({ sendAt }) => timeOf(sendAt)),
    data.map(({ expiresAt }) => timeOf(expiresAt)),
  ]);
  await insertTimeline(tx, requests.map(requestEntry));
  const placeheld = inserted.filter((row) => row.placeheld).map(({ id }) => id);
  if (placeheld.length > 0) await refold(tx, placeheld);
}

export async function applyCommands(tx: Tx, rows: Row<Command>[]): Promise<void> {
  const cancellations = rows.filter(isCancellation);
  if (cancellations.length > 0) await applyCancellations(tx, cancellations);
  const redrives = rows.filter(isRedrive);
  if (redrives.length > 0) await insertTimeline(tx, redrives.map(redriveEntry));
}

async function applyCancellations(tx: Tx, rows: Row<CancelRequested>[]): Promise<void> {
  const first = firstOf(rows, ({ data }) => data.notificationId);
  await hold(
    tx,
    first.map(({ data }) => ({ id: data.notificationId, tenant: data.tenant, at: data.requestedAt })),
  );
  await tx.query(NOTE_CANCELLATION, [
    first.map(({ data }) => data.notificationId),
    first.map(({ data }) => data.tenant),
    first.map(({ data }) => new Date(data.requestedAt)),
  ]);
  await insertTimeline(tx, rows.map(cancelEntry));
}

export async function applyFacts(tx: Tx, rows: Row<Fact>[]): Promise<void> {
  const endpoints = rows.filter(isEndpointFact);
  if (endpoints.length > 0) await upsertEndpoints(tx, endpoints);
  const deliveries = rows.filter((row) => !isEndpointFact(row)) as Row<DeliveryFact>[];
  if (deliveries.length > 0) await applyDeliveryFacts(tx, deliveries);
}

async function applyDeliveryFacts(tx: Tx, rows: Row<DeliveryFact>[]): Promise<void> {
  const notifications = firstOf(rows, ({ data }) => data.notificationId).map(({ data }) => data);
  await hold(
    tx,
    notifications.map(({ notificationId: id, tenant, at }) => ({ id, tenant, at })),
  );
  await upsertDeliveries(tx, newestFacts(rows));
  await insertAttempts(tx, rows);
  await insertTimeline(tx, rows.map(factEntry));
  await refold(
    tx,
    notifications.map(({ notificationId }) => notificationId),
  );
}

/** Makes the rows there, and ours until the transaction ends. */
async function hold(tx: Tx, held: { id: string; tenant: string; at: string }[]): Promise<void> {
  await tx.query(HOLD_NOTIFICATIONS, [
    held.map(({ id }) => id),
    held.map(({ tenant }) => tenant),
    held.map(({ at }) => new Date(at)),
  ]);
}

type NewestFact = DeliveryFact & { readonly key: string; readonly provider: string | null };

/** The newest fact of each delivery, with the provider of the newest one that names one. */
function newestFacts(rows: Row<DeliveryFact>[]): NewestFact[] {
  const newest = new Map<string, NewestFact>();
  for (const { record, data } of rows) {
    const name = `${data.notificationId}/${data.channel}`;
    const before = newest.get(name);
    const provider = data.attempt?.provider ?? before?.provider ?? null;
    if (!before || data.version > before.version) newest.set(name, { ...data, key: record.key, provider });
  }
  return [...newest.values()];
}

async function upsertDeliveries(tx: Tx, facts: NewestFact[]): Promise<void> {
  const ofDead = <T>(of: (fact: NewestFact) => T | undefined): (T | null)[] =>
    facts.map((fact) => (fact.status === 'dead' ? (of(fact) ?? null) : null));
  await tx.query(UPSERT_DELIVERIES, [
    facts.map(({ notificationId }) => notificationId),
    facts.map(({ channel }) => channel),
    facts.map(({ deliveryId }) => deliveryId),
    facts.map(({ tenant }) => tenant),
    facts.map(({ status }) => status),
    facts.map(({ version }) => version),
    facts.map(({ provider }) => provider),
    facts.map(({ nextAttemptAt }) => timeOf(nextAttemptAt)),
    facts.map(({ reason }) => reason ?? null),
    facts.map(({ at }) => new Date(at)),
    ofDead(({ key }) => key),
    ofDead(({ recipientId }) => recipientId),
    ofDead(({ attempt }) => attempt?.number),
    ofDead(({ attempt }) => attempt?.error?.code),
    ofDead(({ attempt }) => attempt?.error?.message),
  ]);
}

async function insertAttempts(tx: Tx, rows: Row<DeliveryFact>[]): Promise<void> {
  const attempts = rows.flatMap(({ data }) => (data.attempt ? [{ data, attempt: data.attempt }] : []));
  if (attempts.length === 0) return;
  await tx.query(INSERT_ATTEMPTS, [
    attempts.map(({ data }) => data.notificationId),
    attempts.map(({ data }) => data.channel),
    attempts.map(({ attempt }) => attempt.number),
    attempts.map(({ data }) => data.tenant),
    attempts.map(({ attempt }) => attempt.provider),
    attempts.map(({ attempt }) => new Date(attempt.startedAt)),
    attempts.map(({ attempt }) => attempt.durationMs),
    attempts.map(({ attempt }) => attempt.outcome),
    attempts.map(({ attempt }) => (attempt.error ? JSON.stringify(errorView(attempt.error)) : null)),
    attempts.map(({ attempt }) => (attempt.failover ? JSON.stringify(failoverView(attempt.failover)) : null)),
  ]);
}

async function insertTimeline(tx: Tx, rows: TimelineRow[]): Promise<void> {
  await tx.query(INSERT_TIMELINE, [
    rows.map(({ notificationId }) => notificationId),
    rows.map(({ entry }) => entry.id),
    rows.map(({ tenant }) => tenant),
    rows.map(({ entry }) => new Date(entry.at)),
    rows.map(({ position }) => position),
    rows.map(({ entry }) => JSON.stringify(entry)),
  ]);
}

interface FoldRow {
  readonly id: string;
  readonly status: string;
  readonly channels: string[] | null;
  readonly scheduled: boolean | null;
  readonly channel: string | null;
  readonly deliveryStatus: DeliveryStatus | null;
}

/** Computes the status of notifications anew; the caller holds their rows. */
async function refold(tx: Tx, ids: string[]): Promise<void> {
  const rows = await tx.query<FoldRow>(READ_FOLD, [ids]);
  const notifications = Map.groupBy(rows, ({ id }) => id);
  const changed = [...notifications.values()].flatMap((deliveries) => {
    const { id, status, channels, scheduled } = deliveries[0]!;
    const known = new Map(
      deliveries.flatMap(({ channel, deliveryStatus }) =>
        channel && deliveryStatus ? [[channel, deliveryStatus] as const] : [],
      ),
    );
    const now = foldStatus(channels ?? [], scheduled ?? false, known);
    return now === status ? [] : [{ id, status: now }];
  });
  if (changed.length > 0) {
    await tx.query(WRITE_STATUS, [changed.map(({ id }) => id), changed.map(({ status }) => status)]);
  }
}

/** One row for each id: the first. A statement may not touch a row twice. */
function firstOf<T>(rows: readonly Row<T>[], idOf: (row: Row<T>) => string): Row<T>[] {
  const first = new Map<string, Row<T>>();
  for (const row of rows) if (!first.has(idOf(row))) first.set(idOf(row), row);
  return [...first.values()];
}

const timeOf = (text: string | undefined): Date | null => (text === undefined ? null : new Date(text));
