import type { DeliveryStatus, NotificationStatus } from '@bongsu/contracts';
import { EXIT, type ExitCode } from '../command-line/exit.js';
import { printable, table } from '../command-line/output.js';

/** What the CLI reads of GET /v1/notifications/{id}. */
export interface Notification {
  readonly id: string;
  readonly status: NotificationStatus;
  readonly priority: string;
  readonly createdAt: string;
  readonly recipient: { readonly id: string };
  readonly deliveries: readonly Delivery[];
}

interface Delivery {
  readonly channel: string;
  readonly provider?: string | null;
  readonly status: DeliveryStatus;
  readonly nextAttemptAt?: string | null;
  readonly attempts: readonly Attempt[];
}

interface Attempt {
  readonly number: number;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly outcome: string;
  readonly error?: { readonly code: string; readonly message: string } | null;
}

/** The states that are final; contracts' fold (`notificationStatus`) never leaves them. */
const UNDER_WAY = new Set<NotificationStatus>(['accepted', 'scheduled', 'in_progress']);
export const isOver = (status: NotificationStatus): boolean => !UNDER_WAY.has(status);

/** Delivered is 0, and so is what may still be delivered; partly delivered is not. */
export const exitCodeOf = (notification: Notification): ExitCode =>
  notification.status === 'delivered' || !isOver(notification.status) ? EXIT.ok : EXIT.failed;

export function described({ id, status, priority, createdAt, recipient, deliveries }: Notification): string {
  const rows = deliveries.map(({ channel, status, provider, attempts, nextAttemptAt }) => {
    const last = attempts.at(-1);
    const error = last?.error ? `${last.error.code}: ${last.error.message}` : '';
    return [
      `  ${channel}`,
      status,
      provider ?? '-',
      `${attempts.length} ${attempts.length === 1 ? 'attempt' : 'attempts'}`,
      [error, nextAttemptAt ? `next attempt ${nextAttemptAt}` : ''].filter(Boolean).join('; '),
    ].map(printable);
  });
  const head = `${id}  ${status}  (${priority}, to ${printable(recipient.id)}, accepted ${createdAt})`;
  return [head, ...(rows.length > 0 ? [table(rows)] : [])].join('\n');
}
