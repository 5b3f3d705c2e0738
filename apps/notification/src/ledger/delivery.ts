import type { Channel, NotificationRequested, Priority, TraceContext } from '@bongsu/contracts';
import { PRIORITIES, loadTraceContext } from '@bongsu/contracts';

/** A delivery that this worker holds the lease of: nobody else will attempt it or write about it. */
export interface LeasedDelivery {
  readonly id: string;
  readonly notificationId: string;
  /** The partition that its request came from: who owns the shard dispatches it. */
  readonly shard: number;
  readonly key: string;
  readonly channel: Channel;
  readonly priority: Priority;
  /** Strictly one after the other within its key and channel. */
  readonly ordered: boolean;
  /** Attempts that have ended so far. */
  readonly attempts: number;
  /** Attempts before the present retry schedule began: those made before it was last redriven, else 0. */
  readonly scheduleFrom: number;
  /** The version of its last fact. */
  readonly version: number;
  /** A cancellation was there before it started. */
  readonly cancelled: boolean;
  /** Its last turn was put off because every provider's circuit was open. */
  readonly postponed: boolean;
  readonly request: NotificationRequested;
  /** The trace that its notification belongs to. */
  readonly trace: TraceContext | undefined;
}

export const priorityNumber = (priority: Priority): number => PRIORITIES.indexOf(priority);

/** A row as the claiming statements return it. */
export interface ClaimedRow {
  id: string;
  notification_id: string;
  shard: number;
  priority: number;
  ordered: boolean;
  key: string;
  channel: string;
  attempts: number;
  schedule_from: number;
  version: number;
  cancelled: boolean;
  postponed: boolean;
  request: Buffer;
  trace: string | null;
}

export function toLeased(row: ClaimedRow): LeasedDelivery {
  return {
    id: row.id,
    notificationId: row.notification_id,
    shard: row.shard,
    key: row.key,
    channel: row.channel as Channel,
    priority: PRIORITIES[row.priority] ?? 'normal',
    ordered: row.ordered,
    attempts: row.attempts,
    scheduleFrom: row.schedule_from,
    version: row.version,
    cancelled: row.cancelled,
    postponed: row.postponed,
    request: JSON.parse(row.request.toString('utf8')) as NotificationRequested,
    trace: loadTraceContext(row.trace),
  };
}
