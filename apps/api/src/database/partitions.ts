import { TOPICS, type TopicDeclaration } from '@bongsu/contracts';
import {
  ensurePartitions,
  OUTBOX_PARTITIONS,
  type Retention,
  type TimePartitioned,
  type Tx,
} from '@bongsu/persistence';

const WEEK_MS = 7 * 86_400_000;
const WEEKS_AHEAD = 4;
const DAYS_AHEAD = 3;

/** The read model's tables, by weeks of the notification's id, so that a retention can drop old weeks whole. */
export const PARTITIONED: readonly TimePartitioned[] = ['notifications', 'deliveries', 'attempts', 'timeline'].map(
  (table) => ({
    table,
    by: 'id',
    everyMs: WEEK_MS,
  }),
);

/** The topics whose records the read model must know again when they come twice. */
export const PROJECTED_TOPICS: readonly TopicDeclaration[] = [
  ...Object.values(TOPICS.requests),
  TOPICS.commands,
  TOPICS.events,
];

/**
 * Makes the partitions of `now` (milliseconds since 1970) and of the weeks and days ahead. What falls outside (a very old id)
 * goes to the default ones.
 */
export async function preparePartitions(tx: Tx, now: number): Promise<void> {
  for (const table of PARTITIONED) await ensurePartitions(tx, table, now, WEEKS_AHEAD);
  await ensurePartitions(tx, OUTBOX_PARTITIONS, now, DAYS_AHEAD);
}

/** A week of the read model leaves when it is older than the retention and all its notifications have ended. */
export const statusRetention = (keepMs: number): Retention => ({
  name: 'status',
  tables: PARTITIONED,
  keepMs,
  inUse: async (tx, partitions) => {
    const notifications = partitions.get('notifications');
    if (notifications === undefined) return false;
    const [row] = await tx.query<{ open: boolean }>(hasOpen(notifications));
    return row?.open === true;
  },
});

/** Answered by the partial index notifications_open, whose condition this must be, word for word. */
const hasOpen = (partition: string): string =>
  `SELECT EXISTS (SELECT FROM ${partition} WHERE status IN ('accepted', 'scheduled', 'in_progress')) AS open`;
