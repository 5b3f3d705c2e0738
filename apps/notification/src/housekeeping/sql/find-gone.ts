import type { Statement } from '@bongsu/persistence';

/**
 * Keeps partitions from being dropped until the transaction ends. Without it, one that is there when find-gone looks could
 * be gone when the row is written, which then would end up in the default partition, as new.
 */
export const KEEP_PARTITIONS: Statement = {
  name: 'ledger_keep_partitions',
  text: 'LOCK TABLE ONLY notifications IN ROW EXCLUSIVE MODE',
};

/** Of these ids ($1), with the names that their partitions would have ($2), those that the ledger can say nothing about any more. */
export const FIND_GONE: Statement = {
  name: 'ledger_find_gone',
  text: `
    SELECT g.id FROM unnest($1::uuid[], $2::text[]) AS g (id, partition)
     WHERE to_regclass(g.partition) IS NULL AND NOT EXISTS (SELECT 1 FROM notifications n WHERE n.id = g.id)`,
};
