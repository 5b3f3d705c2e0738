/** Applies the newest fact of each delivery; an older one than what is there changes nothing. A row may be in the input once. */
export const UPSERT_DELIVERIES = {
  name: 'status_upsert_deliveries',
  text: `
    INSERT INTO deliveries AS d (notification_id, channel, id, tenant, status, version, provider, next_attempt_at, reason, updated_at,
                                 key, recipient_id, attempts, error_code, error_message)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[],
                         $8::timestamptz[], $9::text[], $10::timestamptz[], $11::text[], $12::text[], $13::bigint[],
                         $14::text[], $15::text[])
               AS r (notification_id, channel, id, tenant, status, version, provider, next_attempt_at, reason, updated_at,
                     key, recipient_id, attempts, error_code, error_message)
     ORDER BY notification_id, channel
    ON CONFLICT (notification_id, channel) DO UPDATE SET
      status = excluded.status, version = excluded.version, provider = coalesce(excluded.provider, d.provider),
      next_attempt_at = excluded.next_attempt_at, reason = excluded.reason, updated_at = excluded.updated_at,
      key = excluded.key, recipient_id = excluded.recipient_id, attempts = excluded.attempts,
      error_code = excluded.error_code, error_message = excluded.error_message
      WHERE d.version < excluded.version`,
};

export const INSERT_ATTEMPTS = {
  name: 'status_insert_attempts',
  text: `
    INSERT INTO attempts (notification_id, channel, number, tenant, provider, started_at, duration_ms, outcome, error, failover)
    SELECT notification_id, channel, number, tenant, provider, started_at, duration_ms, outcome, error::json,
           failover::json
      FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::float8[], $8::text[],
                  $9::text[], $10::text[])
             AS r (notification_id, channel, number, tenant, provider, started_at, duration_ms, outcome, error, failover)
     ORDER BY notification_id, channel, number
    ON CONFLICT DO NOTHING`,
};
