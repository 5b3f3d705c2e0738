import { chainHead, type ChainHead, type HeadRow } from '@bongsu/audit-chain';
import type { Database } from '../database/database.js';
import { headSequence } from './metrics.js';

/** The heads of all chains, by topic and partition; there are as many as the audited topics have partitions. */
export async function readHeads(database: Database): Promise<ChainHead[]> {
  const rows = await database.query<HeadRow>(
    'SELECT topic, partition, sequence, hash, next_offset, epoch FROM chains ORDER BY topic, partition',
  );
  const heads = rows.map(chainHead);
  // Also what other replicas append: a gauge that only told of our own partitions would stand still when they move.
  for (const { topic, partition, sequence } of heads) headSequence.set({ topic, partition }, Number(sequence));
  return heads;
}
