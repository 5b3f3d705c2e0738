import { idTime } from '@bongsu/contracts';
import { leastRetentionMs, Outbox, partitionName, type Tx } from '@bongsu/persistence';
import type { LeasedDelivery } from '../ledger/delivery.js';
import { factRecord } from '../settle/facts.js';
import { LEDGER_PARTITIONS, REMEMBERED_TOPICS } from './retention.js';
import { FIND_GONE, KEEP_PARTITIONS } from './sql/find-gone.js';

const [NOTIFICATIONS] = LEDGER_PARTITIONS;
/** No week with an id that is younger than this has ever been dropped, were clocks a day apart. Milliseconds. */
const SURE_MS = leastRetentionMs(REMEMBERED_TOPICS) - 86_400_000;

const isLate = (id: string, now: number): boolean => idTime(id) < now - SURE_MS;

/** Whether `expireGone` has anything to look for. */
export const mayBeGone = (deliveries: readonly LeasedDelivery[], now: number): boolean =>
  deliveries.some(({ notificationId }) => isLate(notificationId, now));

/**
 * Of these notifications, those of weeks that have been dropped: whether they are new cannot be told any more. Decided by the
 * partition that is or is not there and not by a clock, so that it is right however far two replicas' clocks are apart. Costs
 * nothing for ids of the last days, which all are that do not come late.
 * @param now milliseconds since 1970
 */
export async function findGone(tx: Tx, ids: readonly string[], now: number): Promise<ReadonlySet<string>> {
  const late = ids.filter((id) => isLate(id, now));
  if (late.length === 0 || !NOTIFICATIONS) return new Set();
  await tx.query(KEEP_PARTITIONS);
  const rows = await tx.query<{ id: string }>(FIND_GONE, [
    late,
    late.map((id) => partitionName(NOTIFICATIONS, idTime(id))),
  ]);
  return new Set(rows.map(({ id }) => id));
}

/** What it says in the fact about a notification that came when its week had been dropped. */
const REASON = 'older than the ledger remembers: it may have been sent before';

/**
 * Ends the deliveries of weeks that have been dropped as `expired`, in the caller's transaction, and gives the ids of their
 * notifications: they must not be taken in. To send them could be to send them again, weeks later; to drop them in silence
 * would leave one without an end that never was sent. The fact has version 1: had there been another one, it is not believed.
 */
export async function expireGone(
  tx: Tx,
  stream: string,
  deliveries: readonly LeasedDelivery[],
  now: number,
): Promise<ReadonlySet<string>> {
  const gone = await findGone(tx, [...new Set(deliveries.map(({ notificationId }) => notificationId))], now);
  const ended = { status: 'expired', ended: true, attempts: 0, nextAttemptAt: null, reason: REASON } as const;
  const facts = deliveries
    .filter(({ notificationId }) => gone.has(notificationId))
    .map((delivery) => factRecord(delivery, ended, 1, new Date(now)));
  await Outbox.append(tx, stream, facts);
  return gone;
}
