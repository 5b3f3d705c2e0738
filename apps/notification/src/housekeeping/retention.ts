import { TOPICS, type TopicDeclaration } from '@bongsu/contracts';
import type { Retention, TimePartitioned, Tx } from '@bongsu/persistence';
import { hasWork } from './sql/has-work.js';

const WEEK_MS = 7 * 86_400_000;

/** The ledger's tables, by weeks of the notification's id: what belongs together is in partitions of the same week. */
export const LEDGER_PARTITIONS: readonly TimePartitioned[] = ['notifications', 'deliveries', 'cancellations'].map(
  (table) => ({ table, by: 'id', everyMs: WEEK_MS }),
);

/** The topics whose records the ledger must know again when they come twice. */
export const REMEMBERED_TOPICS: readonly TopicDeclaration[] = [...Object.values(TOPICS.requests), TOPICS.commands];

/**
 * A week of the ledger leaves when it is older than the retention and everything in it has ended: one delivery that is
 * scheduled for next year keeps its week.
 */
export const ledgerRetention = (keepMs: number): Retention => ({
  name: 'ledger',
  tables: LEDGER_PARTITIONS,
  keepMs,
  inUse: async (tx: Tx, partitions) => {
    const deliveries = partitions.get('deliveries');
    if (deliveries === undefined) return false;
    const [row] = await tx.query<{ work: boolean }>(hasWork(deliveries));
    return row?.work === true;
  },
});
