/**
 * The chains that a table has rows of, as a common table expression named `found`. The recursion hops from one chain to the
 * next in the primary key's index; a DISTINCT would read all rows.
 */
export const chainsIn = (table: 'records' | 'checkpoints'): string => `
  WITH RECURSIVE found AS (
    (SELECT topic, partition FROM ${table} ORDER BY topic, partition LIMIT 1)
    UNION ALL
    SELECT following.topic, following.partition
    FROM found, LATERAL (
      SELECT topic, partition FROM ${table}
      WHERE (topic, partition) > (found.topic, found.partition)
      ORDER BY topic, partition LIMIT 1
    ) following
  )`;
