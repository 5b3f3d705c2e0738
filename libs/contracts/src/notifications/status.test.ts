import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DELIVERY_STATUSES, hasEnded, notificationStatus, type DeliveryStatus } from './status.js';

describe('notificationStatus', () => {
  it.each<[DeliveryStatus[], string]>([
    [[], 'accepted'],
    [['pending', 'pending'], 'accepted'],
    [['deferred'], 'scheduled'],
    [['retrying'], 'in_progress'],
    [['delivered', 'pending'], 'in_progress'],
    [['delivered', 'delivered'], 'delivered'],
    [['delivered', 'dead'], 'partially_delivered'],
    [['dead', 'cancelled'], 'failed'],
    [['rejected'], 'failed'],
    [['expired', 'cancelled'], 'expired'],
    [['cancelled', 'suppressed'], 'cancelled'],
    [['suppressed'], 'suppressed'],
  ])('folds %j to %s', (deliveries, expected) => expect(notificationStatus(deliveries)).toBe(expected));

  it('depends on what the deliveries are and not on their order, and is an end exactly when all have ended', () => {
    const ends = new Set(['delivered', 'partially_delivered', 'failed', 'cancelled', 'expired', 'suppressed']);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...DELIVERY_STATUSES), { minLength: 1, maxLength: 4 }), (deliveries) => {
        const status = notificationStatus(deliveries);
        expect(notificationStatus(deliveries.toReversed())).toBe(status);
        expect(ends.has(status)).toBe(deliveries.every(hasEnded));
      }),
    );
  });
});
