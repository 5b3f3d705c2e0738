/**
 * Reserves Idempotency-Keys for the notifications that their requests would become. One row in, one row out, in no
 * particular order; a key may be in the input once. The row that comes out is the one in force: the given one when the key
 * was free (or its reservation had expired), else the older one. `attempt` tells which: it is the given one only then.
 *
 * DO UPDATE and not DO NOTHING: the latter returns nothing for a key that is taken, and a second statement to look could
 * miss a row of a transaction that has just committed. An older row is written back as it is, which only replays cost.
 * Sorted, so that two replicas with some of the same keys wait for one another instead of dead-locking.
 * `known` saves a replay from being produced again when the read model has its record.
 */
export const RESERVE = {
  name: 'idempotency_reserve',
  text: `
    INSERT INTO idempotency_reservations AS r (tenant, key_hash, notification_id, body_hash, attempt, accepted_at, expires_at)
    SELECT * FROM unnest($1::text[], $2::bytea[], $3::uuid[], $4::bytea[], $5::uuid[], $6::timestamptz[], $7::timestamptz[])
             AS given (tenant, key_hash, notification_id, body_hash, attempt, accepted_at, expires_at)
     ORDER BY tenant, key_hash
    ON CONFLICT (tenant, key_hash) DO UPDATE SET
      notification_id = CASE WHEN r.expires_at <= excluded.accepted_at THEN excluded.notification_id ELSE r.notification_id END,
      body_hash       = CASE WHEN r.expires_at <= excluded.accepted_at THEN excluded.body_hash ELSE r.body_hash END,
      attempt         = CASE WHEN r.expires_at <= excluded.accepted_at THEN excluded.attempt ELSE r.attempt END,
      accepted_at     = CASE WHEN r.expires_at <= excluded.accepted_at THEN excluded.accepted_at ELSE r.accepted_at END,
      expires_at      = CASE WHEN r.expires_at <= excluded.accepted_at THEN excluded.expires_at ELSE r.expires_at END
    RETURNING tenant, key_hash AS "keyHash", notification_id AS "notificationId", body_hash AS "bodyHash", attempt,
              accepted_at AS "acceptedAt", expires_at AS "expiresAt",
              EXISTS (SELECT FROM notifications n WHERE n.id = r.notification_id AND n.requested) AS known`,
};

/** Forgets reservations whose window is over, a bounded number at a time so that no statement runs long. */
export const FORGET_EXPIRED = {
  name: 'idempotency_forget',
  text: `
    DELETE FROM idempotency_reservations
     WHERE (tenant, key_hash) IN (
       SELECT tenant, key_hash FROM idempotency_reservations WHERE expires_at < now() LIMIT 5000 FOR UPDATE SKIP LOCKED)
    RETURNING 1`,
};
