import { chainHead, LAST_RECORDS, type ChainHead, type HeadRow } from '@bongsu/audit-chain';
import type { Database } from '../database/database.js';
import { headSequence } from './metrics.js';

/** The heads of all chains, by topic and partition; there are as many as the audited topics have partitions. */
export async function readHeads(database: Database): Promise<ChainHead[]> {
  const heads = (await database.query<HeadRow>(LAST_RECORDS)).map(chainHead);
  // Also what other replicas append: a gauge that only told of our own partitions would stand still when they move.
  for (const { topic, partition, sequence } of heads) headSequence.set({ topic, partition }, Number(sequence));
  return heads;
}
