import type { Statement } from '@bongsu/persistence';

/**
 * One Kafka batch into the ledger: notifications that are new by their id, and their deliveries. A delivery is leased to this
 * worker ($15) from birth when it may start at once, so that the hot path needs no claim; when its flow holds as much memory as
 * it may, it waits under the number of its flow ($16). A record that comes again finds its id taken and changes nothing.
 *
 * Nothing is inserted for a worker that does not own the shard ($14); then not a single row is returned, else one at least,
 * which may be empty. So the hot path is this one statement, and needs no transaction around it.
 *
 * The traces ($17) may be fewer than the notifications, none when nobody traces: those that are missing are NULL.
 *
 * An ordered delivery is born waiting (`next_attempt_at` infinity): wake-ordered decides whose turn it is once it is known
 * which rows were really new. A cancellation that overtook its request makes the delivery due, so that it ends at once.
 */
export const INSERT_ACCEPTED: Statement = {
  name: 'ledger_insert_accepted',
  text: `
    WITH owned AS MATERIALIZED (
      SELECT 1 FROM shards WHERE shard = $14 AND worker_id = $15::bigint FOR SHARE
    ), accepted AS (
      INSERT INTO notifications (id, tenant, recipient_id, key, accepted_at, request, trace)
      SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[], $17::text[])
       WHERE EXISTS (SELECT FROM owned)
      ON CONFLICT (id) DO NOTHING
      RETURNING id
    ), born AS (
      SELECT d.*, c.notification_id IS NOT NULL AS cancelled, coalesce(d.send_at > now(), false) AS deferred
        FROM unnest($7::uuid[], $8::uuid[], $9::smallint[], $10::boolean[], $11::text[], $12::text[], $13::timestamptz[],
                    $16::bigint[])
               WITH ORDINALITY AS d (id, notification_id, priority, ordered, key, channel, send_at, flow, n)
        JOIN accepted a ON a.id = d.notification_id
        LEFT JOIN cancellations c ON c.notification_id = d.notification_id
    ), inserted AS (
      INSERT INTO deliveries (id, notification_id, shard, priority, ordered, key, channel, status, send_at, worker_id, flow,
                              next_attempt_at)
      SELECT id, notification_id, $14, priority, ordered, key, channel,
             CASE WHEN deferred THEN 'deferred' ELSE 'pending' END,
             send_at,
             CASE WHEN ordered OR deferred OR flow IS NOT NULL THEN NULL ELSE $15::bigint END,
             CASE WHEN ordered OR deferred OR cancelled THEN NULL ELSE flow END,
             CASE WHEN ordered THEN 'infinity'
                  WHEN cancelled THEN now()
                  WHEN deferred THEN send_at
                  WHEN flow IS NOT NULL THEN NULL
                  ELSE now() END
        FROM born
       ORDER BY n
      RETURNING id, worker_id
    )
    SELECT b.id, b.cancelled
      FROM (SELECT EXISTS (SELECT FROM owned) AS yes) AS o
      LEFT JOIN (SELECT id, cancelled FROM inserted JOIN born USING (id) WHERE inserted.worker_id IS NOT NULL) AS b ON true
     WHERE o.yes`,
};
