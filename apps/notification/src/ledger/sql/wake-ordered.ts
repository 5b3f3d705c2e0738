import type { Statement } from '@bongsu/persistence';

/**
 * Of each (key, channel) in strict order ($1, $2), lets the oldest that has not ended start, if it still waits for its turn.
 * It is leased to this worker ($3, or NULL for a claim to find it) when it may start now. Runs in the transaction that ended
 * the one before or that brought new ones, under the keys' advisory locks, so that no turn is lost between two transactions.
 */
export const WAKE_ORDERED: Statement = {
  name: 'ledger_wake_ordered',
  text: `
    WITH heads AS (
      SELECT h.id
        FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[])) AS k (key, channel)
        CROSS JOIN LATERAL (
          SELECT d.id, d.next_attempt_at FROM deliveries d
           WHERE d.ordered AND d.ended_at IS NULL AND d.key = k.key AND d.channel = k.channel
           ORDER BY d.seq LIMIT 1
        ) h
       WHERE h.next_attempt_at = 'infinity'
    )
    UPDATE deliveries d
       SET next_attempt_at = greatest(now(), d.send_at),
           worker_id = CASE WHEN d.send_at > now() THEN NULL ELSE $3::bigint END
      FROM heads, notifications n
     WHERE d.id = heads.id AND n.id = d.notification_id
    RETURNING d.id, d.notification_id, d.shard, d.priority, d.ordered, d.key, d.channel, d.attempts, d.schedule_from, d.version, d.postponed,
              d.worker_id IS NOT NULL AS leased, n.request, n.trace,
              EXISTS (SELECT 1 FROM cancellations c WHERE c.notification_id = d.notification_id) AS cancelled`,
};

/** Makes transactions about the same ordered keys take turns; sorted, so that they cannot dead-lock. */
export const LOCK_ORDERED: Statement = {
  name: 'ledger_lock_ordered',
  text: `
    SELECT pg_advisory_xact_lock(h) FROM (
      SELECT DISTINCT hashtextextended(key, 7) AS h FROM unnest($1::text[]) AS key ORDER BY 1
    ) AS hashes`,
};
