import type { TimePartitioned } from '../partitions/partitions.js';
import type { Retention } from '../partitions/retention.js';
import type { Tx } from '../transaction.js';

const DAY_MS = 86_400_000;

/** The outbox's partitions, a day long. */
export const OUTBOX_PARTITIONS: TimePartitioned = { table: 'outbox', by: 'timestamp', everyMs: DAY_MS };

/**
 * Days of the outbox leave a day after they have ended, when everything in them has been relayed. A stream that is closed has
 * no cursor any more, and nothing that is left to relay (Outbox.close); that of a dead worker keeps its cursor until another
 * worker has relayed the rest.
 */
export const OUTBOX_RETENTION: Retention = {
  name: 'outbox',
  tables: [OUTBOX_PARTITIONS],
  keepMs: DAY_MS,
  inUse: async (tx, partitions) => {
    const rows = await tx.query<{ waiting: boolean }>(unrelayedIn(partitions.get('outbox') ?? 'outbox'));
    return rows[0]?.waiting === true;
  },
};

/** One look into the primary key per stream that is open. */
const unrelayedIn = (partition: string): string => `
  SELECT EXISTS (
    SELECT FROM outbox_relays r, LATERAL (
      SELECT FROM ${partition} o WHERE o.stream = r.stream AND o.seq > r.relayed_seq ORDER BY o.seq LIMIT 1) waits) AS waiting`;

/** Whether everything of a stream has been relayed; also true of a stream that there is not. */
export async function isRelayed(tx: Tx, stream: string): Promise<boolean> {
  const rows = await tx.query(
    'SELECT 1 FROM outbox_relays r WHERE r.stream = $1 AND EXISTS (SELECT 1 FROM outbox o WHERE o.stream = r.stream AND o.seq > r.relayed_seq)',
    [stream],
  );
  return rows.length === 0;
}
