import {
  CANCEL_REQUESTED,
  deliveryEventType,
  ENDPOINT_DISABLED,
  ENDPOINT_ENABLED,
  isId,
  REDRIVE_REQUESTED,
  type Attempt,
  type CancelRequested,
  type DeliveryFact,
  type EnableRequested,
  type EndpointFact,
  type EventRecord,
  type NotificationRequested,
  type RedriveRequested,
} from '@bongsu/contracts';
import type { EventBatch, RejectedRecord } from '@bongsu/kafka';

/** A record of which everything that the read model needs has been checked to fit its columns. */
export interface Row<T> {
  readonly record: EventRecord<T>;
  readonly data: T;
}

/** What the commands topic and the events topic hold, by the event's type. */
export type Command = CancelRequested | RedriveRequested | EnableRequested;
export type Fact = DeliveryFact | EndpointFact;

export const isCancellation = (row: Row<Command>): row is Row<CancelRequested> =>
  row.record.event.type === CANCEL_REQUESTED;
export const isRedrive = (row: Row<Command>): row is Row<RedriveRequested> =>
  row.record.event.type === REDRIVE_REQUESTED;
export const isEndpointFact = (row: Row<Fact>): row is Row<EndpointFact> =>
  row.record.event.type === ENDPOINT_DISABLED || row.record.event.type === ENDPOINT_ENABLED;

export interface Sorted<T> {
  readonly rows: Row<T>[];
  readonly rejected: RejectedRecord[];
}

/**
 * Sets apart the records that have the right shape and still cannot be rows: an id in another spelling than ours (JSON
 * Schema's uuid allows several), a time that no calendar has. One of them would fail the whole batch in the database.
 */
function sortOut<T>(batch: EventBatch, wrong: (row: Row<T>) => string | undefined): Sorted<T> {
  const rows: Row<T>[] = [];
  const rejected: RejectedRecord[] = [];
  for (const record of batch.records as readonly EventRecord<T>[]) {
    const row = { record, data: record.event.data };
    const detail = wrong(row);
    if (detail === undefined) rows.push(row);
    else rejected.push({ offset: record.raw.offset, code: 'record_shape_invalid', detail });
  }
  return { rows, rejected };
}

export const requestRows = (batch: EventBatch): Sorted<NotificationRequested> =>
  sortOut(batch, ({ data }) => wrongId('id', data.id) ?? wrongTimes(data.acceptedAt, data.sendAt, data.expiresAt));

export const commandRows = (batch: EventBatch): Sorted<Command> =>
  sortOut(batch, (row) => wrongNotification(row) ?? wrongRedrive(row) ?? wrongTimes(row.data.requestedAt));

const wrongNotification = ({ data }: Row<Command>): string | undefined =>
  'notificationId' in data ? wrongId('notificationId', data.notificationId) : undefined;

const wrongRedrive = (row: Row<Command>): string | undefined =>
  isRedrive(row) ? (wrongId('deliveryId', row.data.deliveryId) ?? wrongTimes(row.data.notBefore)) : undefined;

export const factRows = (batch: EventBatch): Sorted<Fact> =>
  sortOut(batch, (row) => wrongId('deliveryId', row.data.deliveryId) ?? wrongTimes(row.data.at) ?? wrongDelivery(row));

function wrongDelivery(row: Row<Fact>): string | undefined {
  if (isEndpointFact(row)) return undefined;
  const { notificationId, nextAttemptAt, attempt } = row.data as DeliveryFact;
  return wrongId('notificationId', notificationId) ?? wrongTimes(nextAttemptAt, attempt?.startedAt);
}

const wrongId = (name: string, id: string): string | undefined =>
  isId(id) ? undefined : `${name} is not a UUID in lower case`;

const wrongTimes = (...times: readonly (string | undefined)[]): string | undefined =>
  times.every((time) => time === undefined || !Number.isNaN(Date.parse(time))) ? undefined : 'a time is not one';

/** What a timeline shows of an event; stored as it is shown. */
export interface TimelineEntry {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface TimelineRow {
  readonly notificationId: string;
  readonly tenant: string;
  /** Orders events of the same millisecond. */
  readonly position: number;
  readonly entry: TimelineEntry;
}

export function requestEntry({ record: { event }, data }: Row<NotificationRequested>): TimelineRow {
  const { channels, priority, sendAt, expiresAt } = data;
  return {
    notificationId: data.id,
    tenant: data.tenant,
    position: 0,
    entry: {
      id: event.id,
      at: utc(data.acceptedAt),
      type: event.type,
      channels,
      priority,
      ...given({ sendAt, expiresAt }),
    },
  };
}

export function cancelEntry({ record: { event }, data }: Row<CancelRequested>): TimelineRow {
  const entry = { id: event.id, at: utc(data.requestedAt), type: event.type };
  return { notificationId: data.notificationId, tenant: data.tenant, position: 0, entry };
}

export function redriveEntry({ record: { event }, data }: Row<RedriveRequested>): TimelineRow {
  const { notificationId, tenant, channel, deliveryId, version, redriveId, requestedAt, notBefore } = data;
  const entry = { id: event.id, at: utc(requestedAt), type: event.type, channel, deliveryId, redriveId };
  return { notificationId, tenant, position: version, entry: { ...entry, nextAttemptAt: utc(notBefore) } };
}

export function factEntry({ record: { event }, data }: Row<DeliveryFact>): TimelineRow {
  const { channel, deliveryId, status, version, nextAttemptAt, reason } = data;
  const attempt = data.attempt && attemptView(data.attempt);
  return {
    notificationId: data.notificationId,
    tenant: data.tenant,
    position: version,
    entry: {
      id: event.id,
      at: utc(data.at),
      type: deliveryEventType(status),
      channel,
      deliveryId,
      status,
      ...given({ attempt, nextAttemptAt, reason }),
    },
  };
}

/** The fields of an attempt that are ours to show; a newer producer may have added others. */
function attemptView({ number, provider, startedAt, durationMs, outcome, error, failover }: Attempt) {
  const details = { error: error && errorView(error), failover: failover && failoverView(failover) };
  return { number, provider, startedAt, durationMs, outcome, ...given(details) };
}

export const errorView = ({ code, message }: NonNullable<Attempt['error']>) => ({ code, message });
export const failoverView = (failover: NonNullable<Attempt['failover']>) =>
  failover.map(({ provider, code }) => ({ provider, code }));

const utc = (time: string): string => new Date(time).toISOString();

function given<T extends Record<string, unknown>>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
