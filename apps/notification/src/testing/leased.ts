import { deliveryId, newNotificationId } from '@bongsu/contracts';
import type { LeasedDelivery } from '../ledger/delivery.js';

/** A leased delivery for tests; what matters to the test is given, the rest is plausible. */
export function leased(given: Partial<LeasedDelivery>): LeasedDelivery {
  const notificationId = given.notificationId ?? newNotificationId();
  const channel = given.channel ?? 'log';
  return {
    id: deliveryId(notificationId, channel),
    notificationId,
    shard: 0,
    key: 'default/user-1',
    channel,
    priority: 'normal',
    ordered: false,
    attempts: 0,
    scheduleFrom: 0,
    version: 0,
    cancelled: false,
    postponed: false,
    request: {
      id: notificationId,
      tenant: 'default',
      recipient: { id: 'user-1' },
      channels: [channel],
      content: { body: 'hello' },
      priority: 'normal',
      acceptedAt: '2026-11-21T00:00:00.000Z',
      apiKeyId: 'bootstrap',
    },
    trace: undefined,
    ...given,
  };
}
