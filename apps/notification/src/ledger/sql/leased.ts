import type { Statement } from '@bongsu/persistence';

/**
 * All that is leased to this worker ($1). Reads the index of what is leased, which has nothing of what waits or has ended.
 */
export const LEASED: Statement = {
  name: 'ledger_leased',
  text: 'SELECT id FROM deliveries WHERE worker_id = $1',
};

/**
 * Of these deliveries ($2) those that are leased to this worker ($1), in the order they were accepted. The rows are locked so
 * that a statement that is just giving them back is waited for, and they are then left out.
 */
export const LEASED_IN_FULL: Statement = {
  name: 'ledger_leased_in_full',
  text: `
    SELECT d.id, d.notification_id, d.shard, d.priority, d.ordered, d.key, d.channel, d.attempts, d.schedule_from, d.version, d.postponed, n.request, n.trace,
           EXISTS (SELECT 1 FROM cancellations c WHERE c.notification_id = d.notification_id) AS cancelled
      FROM deliveries d JOIN notifications n ON n.id = d.notification_id
     WHERE d.id = ANY($2::uuid[]) AND d.worker_id = $1
     ORDER BY d.seq
       FOR SHARE OF d`,
};

/**
 * Waits for every transaction about new work of this worker's shards: each holds its shard's row. The transactions may be ones
 * whose connection broke, and which PostgreSQL has not given up.
 */
export const AWAIT_SHARDS: Statement = {
  name: 'ledger_await_shards',
  text: 'SELECT FROM shards WHERE worker_id = $1 ORDER BY shard FOR NO KEY UPDATE',
};

/** Waits for every transaction that writes outcomes: each holds its outbox's row ($1). After the shards, as everywhere. */
export const AWAIT_OUTBOX: Statement = {
  name: 'ledger_await_outbox',
  text: 'SELECT FROM outbox_streams WHERE stream = $1 FOR NO KEY UPDATE',
};
