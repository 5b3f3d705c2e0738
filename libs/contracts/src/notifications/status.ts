export const PRIORITIES = ['urgent', 'normal', 'bulk'] as const;
export type Priority = (typeof PRIORITIES)[number];

export const CHANNELS = ['email', 'webhook', 'log'] as const;
export type Channel = (typeof CHANNELS)[number];

export const DELIVERY_STATUSES = [
  'pending',
  'in_flight',
  'retrying',
  'deferred',
  'delivered',
  'dead',
  'rejected',
  'cancelled',
  'expired',
  'suppressed',
] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** The states in which a delivery ends; exactly one of them is reached. */
export const ENDED_DELIVERY_STATUSES = ['delivered', 'dead', 'rejected', 'cancelled', 'expired', 'suppressed'] as const;
export type EndedDeliveryStatus = (typeof ENDED_DELIVERY_STATUSES)[number];

export const hasEnded = (status: DeliveryStatus): status is EndedDeliveryStatus =>
  (ENDED_DELIVERY_STATUSES as readonly string[]).includes(status);

export const NOTIFICATION_STATUSES = [
  'accepted',
  'scheduled',
  'in_progress',
  'delivered',
  'partially_delivered',
  'failed',
  'cancelled',
  'expired',
  'suppressed',
] as const;
export type NotificationStatus = (typeof NOTIFICATION_STATUSES)[number];

/**
 * A notification's status is a fold over its deliveries' and nothing else, so that every reader of the events comes to the
 * same one. Ended when all deliveries have ended: delivered if all were, partially if some were; else the worst wins:
 * failed (dead or rejected), expired, cancelled, suppressed.
 */
export function notificationStatus(deliveries: readonly DeliveryStatus[]): NotificationStatus {
  if (deliveries.length === 0) return 'accepted';
  if (!deliveries.every(hasEnded)) {
    if (deliveries.every((status) => status === 'pending')) return 'accepted';
    return deliveries.every((status) => status === 'deferred') ? 'scheduled' : 'in_progress';
  }
  const some = (...wanted: DeliveryStatus[]): boolean => deliveries.some((status) => wanted.includes(status));
  if (some('delivered'))
    return deliveries.every((status) => status === 'delivered') ? 'delivered' : 'partially_delivered';
  if (some('dead', 'rejected')) return 'failed';
  if (some('expired')) return 'expired';
  return some('cancelled') ? 'cancelled' : 'suppressed';
}
