import type { Statement } from '@bongsu/persistence';

/**
 * Leases the next deliveries of flows that wait in the ledger: of each (shard, flow) ($2, $3) up to so many ($4), in the order
 * they were accepted. Like claim-due, it leaves out keys that a former owner of the shard still has in its hands, and locks
 * the shards' rows.
 */
export const LEASE_BACKLOG: Statement = {
  name: 'ledger_lease_backlog',
  text: `
    WITH next AS (
      SELECT b.id
        FROM unnest($2::smallint[], $3::bigint[], $4::integer[]) AS w (shard, flow, wanted)
        JOIN shards s ON s.shard = w.shard AND s.worker_id = $1
        CROSS JOIN LATERAL (
          SELECT d.id FROM deliveries d
           WHERE d.flow IS NOT NULL AND d.shard = w.shard AND d.flow = w.flow
             AND NOT EXISTS (
               SELECT 1 FROM deliveries f
                WHERE f.worker_id IS NOT NULL AND f.worker_id <> $1 AND f.shard = d.shard
                  AND f.key = d.key AND f.channel = d.channel)
           ORDER BY d.seq
           LIMIT w.wanted
        ) b
         FOR SHARE OF s
    ), leased AS (
      UPDATE deliveries d SET worker_id = $1, flow = NULL, next_attempt_at = now()
        FROM next WHERE d.id = next.id AND d.flow IS NOT NULL
      RETURNING d.*
    )
    SELECT l.id, l.notification_id, l.shard, l.priority, l.ordered, l.key, l.channel, l.attempts, l.schedule_from, l.version, l.postponed, n.request, n.trace,
           EXISTS (SELECT 1 FROM cancellations c WHERE c.notification_id = l.notification_id) AS cancelled
      FROM leased l JOIN notifications n ON n.id = l.notification_id
     ORDER BY l.seq`,
};

/** What waits in the ledger of some shards ($1), flow by flow. Reads the backlog's index only. */
export const BACKLOG: Statement = {
  name: 'ledger_backlog',
  text: `
    SELECT shard, flow, min(priority) AS priority, count(*) AS waiting FROM deliveries
     WHERE flow IS NOT NULL AND shard = ANY($1::smallint[])
     GROUP BY shard, flow`,
};

/** Of these (shard, flow) ($1, $2), those of which nothing waits in the ledger any more. */
export const EMPTY_BACKLOG: Statement = {
  name: 'ledger_empty_backlog',
  text: `
    SELECT w.shard, w.flow FROM unnest($1::smallint[], $2::bigint[]) AS w (shard, flow)
     WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.flow IS NOT NULL AND d.shard = w.shard AND d.flow = w.flow)`,
};
