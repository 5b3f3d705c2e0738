import type { Statement } from '@bongsu/persistence';

/**
 * One Kafka batch into the ledger: notifications that are new by their id, and their deliveries. A delivery is leased to this
 * worker ($16) from birth when it may start at once (`lease`), so that the hot path needs no claim. A record that
 * comes again finds its id taken and changes nothing.
 *
 * An ordered delivery is born waiting (`next_attempt_at` infinity): wake-ordered decides whose turn it is once it is known
 * which rows were really new. A cancellation that overtook its request makes the delivery due, so that it ends at once.
 */
export const INSERT_ACCEPTED: Statement = {
  name: 'ledger_insert_accepted',
  text: `
    WITH accepted AS (
      INSERT INTO notifications (id, tenant, recipient_id, key, accepted_at, request)
      SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[])
      ON CONFLICT (id) DO NOTHING
      RETURNING id
    )
    INSERT INTO deliveries (id, notification_id, shard, priority, ordered, key, channel, status, send_at, worker_id, next_attempt_at)
    SELECT d.id, d.notification_id, $15, d.priority, d.ordered, d.key, d.channel,
           CASE WHEN d.send_at > now() THEN 'deferred' ELSE 'pending' END,
           d.send_at,
           CASE WHEN d.ordered OR NOT $14 OR d.send_at > now() THEN NULL ELSE $16::bigint END,
           CASE WHEN d.ordered THEN 'infinity' WHEN c.notification_id IS NOT NULL THEN now() ELSE greatest(now(), d.send_at) END
      FROM unnest($7::uuid[], $8::uuid[], $9::smallint[], $10::boolean[], $11::text[], $12::text[], $13::timestamptz[])
             WITH ORDINALITY AS d (id, notification_id, priority, ordered, key, channel, send_at, n)
      JOIN accepted a ON a.id = d.notification_id
      LEFT JOIN cancellations c ON c.notification_id = d.notification_id
     ORDER BY d.n
    RETURNING id, worker_id IS NOT NULL AS leased,
              EXISTS (SELECT 1 FROM cancellations x WHERE x.notification_id = deliveries.notification_id) AS cancelled`,
};
