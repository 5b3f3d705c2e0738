import type { Statement } from '@bongsu/persistence';

/** Remembers cancellations, so that one that overtakes its request still wins. */
export const REMEMBER_CANCELLATION: Statement = {
  name: 'ledger_remember_cancellation',
  text: `
    INSERT INTO cancellations (notification_id, requested_at)
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[])
    ON CONFLICT DO NOTHING`,
};

/**
 * Ends what waits in the ledger of cancelled notifications ($1). What a worker holds the lease of is left to it: the dispatcher
 * ends it as cancelled when its turn comes, or, if its call is already under way, when that fails.
 */
export const END_CANCELLED: Statement = {
  name: 'ledger_end_cancelled',
  text: `
    UPDATE deliveries d
       SET status = 'cancelled', version = d.version + 1, next_attempt_at = NULL, flow = NULL, ended_at = now()
      FROM notifications n
     WHERE d.notification_id = ANY($1::uuid[]) AND n.id = d.notification_id AND d.ended_at IS NULL AND d.worker_id IS NULL
    RETURNING d.id, d.notification_id, d.shard, d.priority, d.ordered, d.key, d.channel, d.attempts, d.schedule_from, d.version, d.postponed, n.request, n.trace,
              true AS cancelled`,
};

/** The keys in strict order among notifications ($1): their locks are taken before their rows, as everywhere. */
export const ORDERED_KEYS: Statement = {
  name: 'ledger_ordered_keys',
  text: 'SELECT DISTINCT key FROM deliveries WHERE notification_id = ANY($1::uuid[]) AND ordered',
};
