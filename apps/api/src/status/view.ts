import { deliveryId, type DeliveryStatus, type NotificationRequested } from '@bongsu/contracts';
import type { SentRequest } from '../notifications/recent-sends.js';
import { initialStatus, isScheduled, untouched } from './fold.js';

export interface NotificationRow {
  readonly id: string;
  readonly status: string;
  readonly key: string;
  readonly recipient: NotificationRequested['recipient'];
  readonly priority: string;
  readonly channels: readonly string[];
  readonly category: string | null;
  readonly orderingKey: string | null;
  readonly subject: string | null;
  readonly metadata: Record<string, string> | null;
  readonly acceptedAt: Date;
  readonly sendAt: Date | null;
  readonly expiresAt: Date | null;
  readonly cancelRequestedAt: Date | null;
}

export interface DeliveryRow {
  readonly notificationId: string;
  readonly channel: string;
  readonly id: string;
  readonly status: DeliveryStatus;
  readonly provider: string | null;
  readonly nextAttemptAt: Date | null;
  readonly reason: string | null;
}

export interface AttemptRow {
  readonly notificationId: string;
  readonly channel: string;
  readonly number: number;
  readonly provider: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly outcome: string;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly failover: readonly { readonly provider: string; readonly code: string }[] | null;
}

/** A notification as the API shows it; fields that it does not have are left out. */
export function notificationView(
  row: NotificationRow,
  deliveries: readonly DeliveryRow[],
  attempts: readonly AttemptRow[],
) {
  const scheduled = isScheduled(row.acceptedAt.toISOString(), row.sendAt?.toISOString());
  const channels = new Set([...row.channels, ...deliveries.map(({ channel }) => channel)]);
  return {
    id: row.id,
    status: row.status,
    recipient: row.recipient,
    channels: row.channels,
    priority: row.priority,
    createdAt: row.acceptedAt.toISOString(),
    ...time('sendAt', row.sendAt),
    ...time('expiresAt', row.expiresAt),
    ...time('cancelRequestedAt', row.cancelRequestedAt),
    ...(row.orderingKey === null ? {} : { orderingKey: row.orderingKey }),
    ...(row.category === null ? {} : { category: row.category }),
    ...(row.subject === null ? {} : { subject: row.subject }),
    ...(row.metadata === null ? {} : { metadata: row.metadata }),
    deliveries: [...channels].map((channel) =>
      deliveryView(
        deliveries.find((each) => each.channel === channel) ?? untouchedDelivery(row, channel, scheduled),
        attempts.filter((each) => each.channel === channel),
      ),
    ),
  };
}

export type NotificationView = ReturnType<typeof notificationView>;

function deliveryView(row: DeliveryRow, attempts: readonly AttemptRow[]) {
  return {
    id: row.id,
    channel: row.channel,
    provider: row.provider,
    status: row.status,
    attempts: attempts.map(({ number, provider, startedAt, durationMs, outcome, error, failover }) => ({
      number,
      provider,
      startedAt: startedAt.toISOString(),
      durationMs,
      outcome,
      ...(error === null ? {} : { error }),
      ...(failover === null ? {} : { failover }),
    })),
    ...time('nextAttemptAt', row.nextAttemptAt),
    ...(row.reason === null ? {} : { reason: row.reason }),
  };
}

/** A delivery that no fact is known of yet: its id is derived, so it can be named all the same. */
const untouchedDelivery = (row: NotificationRow, channel: string, scheduled: boolean): DeliveryRow => ({
  notificationId: row.id,
  channel,
  id: deliveryId(row.id, channel),
  status: untouched(scheduled),
  provider: null,
  nextAttemptAt: scheduled ? row.sendAt : null,
  reason: null,
});

/** A notification that this process has accepted and the read model does not have yet. */
export function recentView(request: SentRequest): NotificationView {
  const { id, recipient, priority, channels, category, orderingKey, subject, metadata, acceptedAt, sendAt, expiresAt } =
    request;
  const row: NotificationRow = {
    id,
    key: '',
    status: initialStatus(channels, isScheduled(acceptedAt, sendAt)),
    recipient,
    priority,
    channels,
    category: category ?? null,
    orderingKey: orderingKey ?? null,
    subject: subject ?? null,
    metadata: metadata ?? null,
    acceptedAt: new Date(acceptedAt),
    sendAt: sendAt === undefined ? null : new Date(sendAt),
    expiresAt: expiresAt === undefined ? null : new Date(expiresAt),
    cancelRequestedAt: null,
  };
  return notificationView(row, [], []);
}

const time = <Name extends string>(name: Name, at: Date | null): Partial<Record<Name, string>> =>
  at === null ? {} : ({ [name]: at.toISOString() } as Partial<Record<Name, string>>);
