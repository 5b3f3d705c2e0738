import { notificationStatus, type Channel, type DeliveryStatus, type NotificationStatus } from '@bongsu/contracts';

/** What a delivery is before any fact of it is known. */
export const untouched = (scheduled: boolean): DeliveryStatus => (scheduled ? 'deferred' : 'pending');

/** Whether a notification is to be sent later than it was accepted. */
export const isScheduled = (acceptedAt: string, sendAt: string | undefined): boolean =>
  sendAt !== undefined && Date.parse(sendAt) > Date.parse(acceptedAt);

/** The status of a notification by what is known: facts of some deliveries, and nothing yet of the other channels. */
export function foldStatus(
  channels: readonly string[],
  scheduled: boolean,
  known: ReadonlyMap<string, DeliveryStatus>,
): NotificationStatus {
  const all = new Set([...channels, ...known.keys()]);
  return notificationStatus([...all].map((channel) => known.get(channel) ?? untouched(scheduled)));
}

/** The same for a request that has just been read. */
export const initialStatus = (channels: readonly Channel[], scheduled: boolean): NotificationStatus =>
  foldStatus(channels, scheduled, new Map());
