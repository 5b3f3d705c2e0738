import {
  TOPICS,
  deliveryEventType,
  encodeEvent,
  newEventId,
  type DeliveryFact,
  type OutgoingRecord,
} from '@bongsu/contracts';
import type { LeasedDelivery } from '../ledger/delivery.js';
import { endCancelled, type Decision } from './decide.js';

/** The record that tells the other services what became of a delivery. */
export function factRecord(delivery: LeasedDelivery, decision: Decision, version: number, at: Date): OutgoingRecord {
  const time = at.toISOString();
  const data: DeliveryFact = {
    notificationId: delivery.notificationId,
    tenant: delivery.request.tenant,
    recipientId: delivery.request.recipient.id,
    deliveryId: delivery.id,
    channel: delivery.channel,
    status: decision.status,
    version,
    at: time,
    ...(decision.attempt === undefined ? {} : { attempt: decision.attempt }),
    ...(decision.nextAttemptAt === null ? {} : { nextAttemptAt: decision.nextAttemptAt.toISOString() }),
    ...(decision.reason === undefined ? {} : { reason: decision.reason.slice(0, 200) }),
  };
  const trace = decision.trace ?? delivery.trace;
  return encodeEvent(TOPICS.events, delivery.key, {
    id: newEventId(),
    source: '/bongsu/notification',
    type: deliveryEventType(decision.status),
    subject: delivery.notificationId,
    time,
    data,
    ...(trace === undefined ? {} : { trace }),
  });
}

/** The fact of a delivery that a cancellation ended in the ledger. Its row carries its new version already. */
export const cancelledFact = (delivery: LeasedDelivery): OutgoingRecord =>
  factRecord(delivery, endCancelled(delivery), delivery.version, new Date());
