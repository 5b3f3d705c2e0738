import { deliveryId, type NotificationRequested } from '@bongsu/contracts';
import type { LeasedDelivery } from './delivery.js';

/** A request as it came from Kafka, with the bytes that are kept. */
export interface AcceptedRequest {
  readonly key: string;
  readonly request: NotificationRequested;
  readonly bytes: Buffer;
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

export function toDelivery(
  shard: number,
  accepted: AcceptedRequest,
  channel: LeasedDelivery['channel'],
): LeasedDelivery {
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
