import { traceFields } from '@bongsu/tracing';
import type { DeliveryAttempt } from '../channels/provider.js';
import type { LeasedDelivery } from '../ledger/delivery.js';
import type { FinishedAttempt } from '../settle/decide.js';

/** What a provider gets to know of a delivery. */
export function toAttempt(delivery: LeasedDelivery, trace = delivery.trace): DeliveryAttempt {
  const { request } = delivery;
  return {
    deliveryId: delivery.id,
    notificationId: delivery.notificationId,
    tenant: request.tenant,
    number: delivery.attempts + 1,
    channel: delivery.channel,
    recipient: request.recipient,
    content: request.content ?? { body: '' },
    acceptedAt: request.acceptedAt,
    ...(request.category === undefined ? {} : { category: request.category }),
    ...(request.metadata === undefined ? {} : { metadata: request.metadata }),
    ...(request.locale === undefined ? {} : { locale: request.locale }),
    ...(request.data === undefined ? {} : { data: request.data }),
    trace,
  };
}

/** An attempt that a fault of ours ended. */
export const failedHere = (startedAt: Date): FinishedAttempt => ({
  provider: 'none',
  startedAt,
  durationMs: 0,
  outcome: { kind: 'retry', code: 'dispatch_failed', message: 'The attempt could not be made' },
});

export const noProvider = (channel: string, startedAt: Date): FinishedAttempt => ({
  provider: 'none',
  startedAt,
  durationMs: 0,
  outcome: { kind: 'reject', code: 'no_provider', message: `No provider is set up for channel ${channel}` },
});

/** By which the log lines of all services about a delivery, and its trace, are found. */
export function deliveryFields(delivery: LeasedDelivery, trace = delivery.trace): Record<string, string> {
  const { id, notificationId, channel } = delivery;
  return { notificationId, deliveryId: id, channel, ...traceFields(trace) };
}
