import {
  CANCEL_REQUESTED,
  encodeEvent,
  newEventId,
  NOTIFICATION_REQUESTED,
  notificationKey,
  TOPICS,
  type CancelRequested,
  type NotificationRequested,
  type OutgoingRecord,
  type TraceContext,
} from '@bongsu/contracts';

const SOURCE = '/bongsu/api';

/** The record that an accepted request becomes. Its event id is the notification's id: the same request has the same one. */
export function requestedRecord(data: NotificationRequested, trace?: TraceContext): OutgoingRecord {
  return encodeEvent(TOPICS.requests[data.priority], keyOf(data), {
    id: data.id,
    source: SOURCE,
    type: NOTIFICATION_REQUESTED,
    subject: data.id,
    time: data.acceptedAt,
    data,
    ...(trace === undefined ? {} : { trace }),
  });
}

export const keyOf = ({
  tenant,
  recipient,
  orderingKey,
}: Pick<NotificationRequested, 'tenant' | 'recipient' | 'orderingKey'>): string =>
  notificationKey(tenant, recipient.id, orderingKey);

/** @param key the key of the request's record, so that request and cancellation stay in order for whoever reads them */
export function cancelRecord(key: string, data: CancelRequested, trace?: TraceContext): OutgoingRecord {
  return encodeEvent(TOPICS.commands, key, {
    id: newEventId(),
    source: SOURCE,
    type: CANCEL_REQUESTED,
    subject: data.notificationId,
    time: data.requestedAt,
    data,
    ...(trace === undefined ? {} : { trace }),
  });
}
