/**
 * Writes accepted notifications. The first record of an id wins: a second one (a request sent again with its key) changes
 * nothing. A placeholder that facts have left is filled in, and only such rows have their status still to be computed:
 * `placeheld` tells them. Waits for a transaction that holds one of the ids, sorted so that two cannot wait for one another.
 */
export const INSERT_REQUESTED = {
  name: 'status_insert_requested',
  text: `
    INSERT INTO notifications AS n (
      id, tenant, status, requested, placeheld, accepted_at, key, recipient, recipient_id, priority, channels, category,
      ordering_key, subject, metadata, send_at, expires_at)
    SELECT id, tenant, status, true, false, accepted_at, key, recipient::json, recipient_id, priority,
           string_to_array(channels, ','), category, ordering_key, subject, metadata::json, send_at, expires_at
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
                  $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[], $15::timestamptz[])
             AS r (id, tenant, status, accepted_at, key, recipient, recipient_id, priority, channels, category, ordering_key,
                   subject, metadata, send_at, expires_at)
     ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
      tenant = excluded.tenant, requested = true, accepted_at = excluded.accepted_at, key = excluded.key,
      recipient = excluded.recipient, recipient_id = excluded.recipient_id, priority = excluded.priority,
      channels = excluded.channels, category = excluded.category, ordering_key = excluded.ordering_key,
      subject = excluded.subject, metadata = excluded.metadata, send_at = excluded.send_at, expires_at = excluded.expires_at
      WHERE NOT n.requested
    RETURNING id, placeheld`,
};
