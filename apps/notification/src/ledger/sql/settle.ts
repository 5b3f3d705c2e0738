import type { Statement } from '@bongsu/persistence';

/**
 * Writes what became of a batch of deliveries, and their facts into the outbox stream $11: one statement, as this is the hot
 * path and each trip to the database would hold the deliveries' slots. Only rows whose lease is still this worker's ($1)
 * change, and only their facts are appended; and only if their version is still the one that was leased: this may be written a
 * second time, as nobody heard that the first had been committed, and its retry may have been claimed again. The bounds ($8, $9) let the planner leave out partitions.
 *
 * First the stream's row is locked, as `Outbox.append` does: writers of one stream take turns, so that sequence order is
 * commit order. When the stream was closed, because this worker was taken for dead, nothing is written and no row returned;
 * else one at least, which may be empty.
 */
export const SETTLE: Statement = {
  name: 'ledger_settle',
  text: `
    WITH open AS MATERIALIZED (
      SELECT last_seq FROM outbox_streams WHERE stream = $11 FOR NO KEY UPDATE
    ), o AS MATERIALIZED (
      SELECT *
        FROM unnest($2::uuid[], $3::text[], $4::integer[], $5::integer[], $6::timestamptz[], $7::timestamptz[], $10::boolean[],
                    $12::text[], $13::text[], $14::text[], $15::bytea[])
               WITH ORDINALITY AS o (id, status, attempts, version, next_attempt_at, ended_at, postponed,
                                     topic, key, headers, value, n)
    ), written AS (
      UPDATE deliveries d
         SET status = o.status, attempts = o.attempts, version = o.version, next_attempt_at = o.next_attempt_at,
             ended_at = o.ended_at, postponed = o.postponed, worker_id = NULL
        FROM o
       WHERE d.id = o.id AND d.worker_id = $1 AND d.id BETWEEN $8 AND $9 AND EXISTS (SELECT FROM open)
         AND d.version = o.version - (o.topic IS NOT NULL)::integer
      RETURNING d.id
    ), facts AS MATERIALIZED (
      SELECT o.topic, o.key, o.headers, o.value, row_number() OVER (ORDER BY o.n) AS i
        FROM o JOIN written USING (id)
       WHERE o.topic IS NOT NULL
    ), advanced AS (
      UPDATE outbox_streams s
         SET last_seq = open.last_seq + (SELECT count(*) FROM facts)
        FROM open
       WHERE s.stream = $11 AND EXISTS (SELECT FROM facts)
    ), appended AS (
      INSERT INTO outbox (stream, seq, topic, key, headers, value)
      SELECT $11, open.last_seq + i, topic, key, headers::jsonb, value FROM open, facts
    )
    SELECT w.id FROM (SELECT EXISTS (SELECT FROM open) AS yes) AS s LEFT JOIN written w ON true WHERE s.yes`,
};

/** Gives leases back: what is due may be claimed by whoever owns the shard now. */
export const GIVE_BACK: Statement = {
  name: 'ledger_give_back',
  text: 'UPDATE deliveries SET worker_id = NULL WHERE worker_id = $1 AND id = ANY($2::uuid[])',
};
