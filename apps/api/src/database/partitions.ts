import { ensurePartitions, type TimePartitioned, type Tx } from '@bongsu/persistence';

const WEEK_MS = 7 * 86_400_000;
const WEEKS_AHEAD = 4;

/** The read model's tables, by weeks of the notification's id, so that a retention can drop old weeks whole. */
export const PARTITIONED: readonly TimePartitioned[] = ['notifications', 'deliveries', 'attempts', 'timeline'].map(
  (table) => ({
    table,
    by: 'id',
    everyMs: WEEK_MS,
  }),
);

/** Makes this week's partitions and those of the weeks ahead. What falls outside (a very old id) goes to the default ones. */
export async function preparePartitions(tx: Tx): Promise<void> {
  for (const table of PARTITIONED) await ensurePartitions(tx, table, Date.now(), WEEKS_AHEAD);
}
