import type { Statement } from '@bongsu/persistence';

/**
 * Leases what is due in the shards ($2) that this worker ($1) owns: retries, scheduled ones, what another worker gave back.
 * Reads only the partial index of waiting rows, and of it, shard by shard in its order, no more than are asked for: a claim
 * costs the same whether a thousand wait or a million (docs/adr/0015). It leaves out what a former owner of the shard still
 * has in its hands for the same key and channel, so that attempts never overlap while a shard changes hands. The shards' rows
 * are locked, so that who clears up after this worker waits for this transaction and finds what it leased.
 *
 * The second look at next_attempt_at is for rows that changed before they were locked. It says IS TRUE so that the planner
 * does not take the partial index for it: it would read all that is due to join it with a few ids.
 */
export const CLAIM_DUE: Statement = {
  name: 'ledger_claim_due',
  text: `
    WITH due AS (
      SELECT d.id
        FROM (
          SELECT oldest.id
            FROM shards o
            CROSS JOIN LATERAL (
              SELECT w.id, w.next_attempt_at, w.seq
                FROM deliveries w
               WHERE w.worker_id IS NULL AND w.next_attempt_at <= now() AND w.shard = o.shard
                 AND NOT EXISTS (
                   SELECT 1 FROM deliveries f
                    WHERE f.worker_id IS NOT NULL AND f.worker_id <> $1 AND f.shard = w.shard
                      AND f.key = w.key AND f.channel = w.channel)
               ORDER BY w.next_attempt_at, w.seq
               LIMIT $3
            ) oldest
           WHERE o.worker_id = $1 AND o.shard = ANY($2::smallint[])
           ORDER BY oldest.next_attempt_at, oldest.seq
           LIMIT $3
        ) next
        JOIN deliveries d ON d.id = next.id
        JOIN shards s ON s.shard = d.shard AND s.worker_id = $1
       WHERE d.worker_id IS NULL AND (d.next_attempt_at <= now()) IS TRUE
         FOR UPDATE OF d SKIP LOCKED
         FOR SHARE OF s
    ), leased AS (
      UPDATE deliveries d SET worker_id = $1 FROM due WHERE d.id = due.id
      RETURNING d.*
    )
    SELECT l.id, l.notification_id, l.shard, l.priority, l.ordered, l.key, l.channel, l.attempts, l.schedule_from, l.version, l.postponed, n.request, n.trace,
           EXISTS (SELECT 1 FROM cancellations c WHERE c.notification_id = l.notification_id) AS cancelled
      FROM leased l JOIN notifications n ON n.id = l.notification_id
     ORDER BY l.next_attempt_at, l.seq`,
};

/** Whether former owners still hold deliveries of a shard. */
export const HELD_BY_OTHERS: Statement = {
  name: 'ledger_held_by_others',
  text: 'SELECT EXISTS (SELECT 1 FROM deliveries WHERE worker_id IS NOT NULL AND worker_id <> $1 AND shard = $2) AS held',
};

/** How many deliveries are due and wait in the ledger: the `notification_due_backlog` metric. */
export const COUNT_DUE = `
  SELECT (SELECT count(*) FROM (
            SELECT 1 FROM deliveries WHERE worker_id IS NULL AND next_attempt_at <= now() LIMIT 1000000) AS due)
       + (SELECT count(*) FROM (
            SELECT 1 FROM deliveries WHERE flow IS NOT NULL LIMIT 1000000) AS backlog) AS due`;
