import type { DeliveryAttempt } from '../../provider.js';

/**
 * The body of a webhook, in the shape that Standard Webhooks recommends. It is the same in every attempt, byte for byte:
 * `timestamp` is when the notification was accepted, the attempt's own time stands in a header. Fields may be added
 * later; a receiver ignores those it does not know (docs/guides/add-a-provider.md).
 */
export function webhookPayload(attempt: DeliveryAttempt): string {
  const { subject, body, html } = attempt.content;
  return JSON.stringify({
    type: 'notification',
    timestamp: attempt.acceptedAt,
    data: {
      notificationId: attempt.notificationId,
      deliveryId: attempt.deliveryId,
      recipient: { id: attempt.recipient.id },
      subject,
      body,
      html,
      category: attempt.category,
      metadata: attempt.metadata,
      locale: attempt.locale,
      data: attempt.data,
      acceptedAt: attempt.acceptedAt,
    },
  });
}
