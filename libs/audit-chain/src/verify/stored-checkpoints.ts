import type { Query } from './store.js';

/** Whether the store has a table of checkpoints at all: older ones have none. */
export async function hasCheckpoints(query: Query): Promise<boolean> {
  const [found] = await query<{ there: boolean }>("SELECT to_regclass('checkpoints') IS NOT NULL AS there");
  return found?.there === true;
}

/** The checkpoints of a chain whose size is more than $3 and at most $4. */
export const CHECKPOINTS = `
  SELECT topic, partition, size, root, note FROM checkpoints
  WHERE topic = $1 AND partition = $2 AND size > $3 AND size <= $4 ORDER BY size`;

export const NEWEST_CHECKPOINT = `
  SELECT topic, partition, size, root, note FROM checkpoints
  WHERE topic = $1 AND partition = $2 ORDER BY size DESC LIMIT 1`;

/** Those that announce a key; which of them count, their own signatures tell. */
export const ANNOUNCEMENTS = `SELECT note FROM checkpoints WHERE note LIKE E'%\\nnext-key %' ORDER BY size`;

/** Hops through the primary key's index from chain to chain. */
export const SIGNED_CHAINS = `
  WITH RECURSIVE found AS (
    (SELECT topic, partition FROM checkpoints ORDER BY topic, partition LIMIT 1)
    UNION ALL
    SELECT following.topic, following.partition
    FROM found, LATERAL (
      SELECT topic, partition FROM checkpoints
      WHERE (topic, partition) > (found.topic, found.partition)
      ORDER BY topic, partition LIMIT 1
    ) following
  )
  SELECT topic, partition FROM found`;
