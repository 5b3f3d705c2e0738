/**
 * Whether anything in a partition of `deliveries` has not ended. Each condition is that of a partial index, which has nothing
 * but such rows and is empty in an old week: leased, waiting for its time (for ever, before its turn in strict order
 * has come), or waiting for memory. Together they are all that has not ended.
 */
export const hasWork = (partition: string): string => `
  SELECT EXISTS (SELECT FROM ${partition} WHERE worker_id IS NOT NULL)
      OR EXISTS (SELECT FROM ${partition} WHERE worker_id IS NULL AND next_attempt_at IS NOT NULL)
      OR EXISTS (SELECT FROM ${partition} WHERE flow IS NOT NULL) AS work`;
