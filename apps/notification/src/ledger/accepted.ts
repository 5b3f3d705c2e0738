import { deliveryId, storeTraceContext, type NotificationRequested, type TraceContext } from '@bongsu/contracts';
import type { LeasedDelivery } from './delivery.js';

/** A request as it came from Kafka, with the bytes that are kept. */
export interface AcceptedRequest {
  readonly key: string;
  readonly request: NotificationRequested;
  readonly bytes: Buffer;
  /** The trace that its record says it belongs to. */
  readonly trace?: TraceContext | undefined;
}

/** One that is scheduled or in strict order waits in the ledger in any case. */
export const mayStart = ({ ordered, request: { sendAt } }: LeasedDelivery): boolean =>
  !ordered && (sendAt === undefined || Date.parse(sendAt) <= Date.now());

/** A producer that had to repeat itself may leave the same record twice in one batch. */
export function firstOfEach(records: readonly AcceptedRequest[]): AcceptedRequest[] {
  const first = new Map<string, AcceptedRequest>();
  for (const record of records) if (!first.has(record.request.id)) first.set(record.request.id, record);
  return [...first.values()];
}

/** As a column. Nothing at all when nobody traces, so that it costs nothing. */
export const tracesOf = (accepted: readonly AcceptedRequest[]): (string | null)[] =>
  accepted.some(({ trace }) => trace) ? accepted.map(({ trace }) => (trace ? storeTraceContext(trace) : null)) : [];

export function toDelivery(
  shard: number,
  accepted: AcceptedRequest,
  channel: LeasedDelivery['channel'],
): LeasedDelivery {
  const { request, key, trace } = accepted;
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
    trace,
  };
}

/** Those of the deliveries that a statement gave, as it gave them. */
export function givenOf(
  deliveries: readonly LeasedDelivery[],
  rows: readonly { readonly id: string | null; readonly cancelled: boolean }[],
): LeasedDelivery[] {
  const cancelled = new Map(rows.map((row) => [row.id, row.cancelled]));
  return deliveries
    .filter(({ id }) => cancelled.has(id))
    .map((delivery) => ({ ...delivery, cancelled: cancelled.get(delivery.id) === true }));
}
