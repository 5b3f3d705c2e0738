/** Applies the newest fact of each endpoint; an older one than what is there changes nothing. */
export const UPSERT_ENDPOINTS = {
  name: 'endpoints_upsert',
  text: `
    INSERT INTO endpoints AS e (tenant, channel, endpoint_hash, endpoint, version, disabled_at, delivery_id)
    SELECT tenant, channel, decode(hash, 'hex'), endpoint, version, disabled_at, delivery_id
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::timestamptz[], $7::uuid[])
             AS r (tenant, channel, hash, endpoint, version, disabled_at, delivery_id)
     ORDER BY tenant, channel, hash
    ON CONFLICT (tenant, channel, endpoint_hash) DO UPDATE SET
      version = excluded.version, disabled_at = excluded.disabled_at, delivery_id = excluded.delivery_id
      WHERE e.version < excluded.version`,
};

/** The version by which an endpoint is disabled; no row when it is not. */
export const FIND_DISABLED = {
  name: 'endpoints_find_disabled',
  text: `
    SELECT version FROM endpoints
     WHERE tenant = $1 AND channel = $2 AND endpoint_hash = decode($3, 'hex') AND disabled_at IS NOT NULL`,
};

/** Newest first, after ($2, $3). */
export const LIST_DISABLED = {
  name: 'endpoints_list_disabled',
  text: `
    SELECT channel, endpoint, disabled_at AS "disabledAt", delivery_id AS "deliveryId", encode(endpoint_hash, 'hex') AS hash
      FROM endpoints
     WHERE tenant = $1 AND disabled_at IS NOT NULL AND (disabled_at, endpoint_hash) < ($2::timestamptz, decode($3, 'hex'))
     ORDER BY disabled_at DESC, endpoint_hash DESC LIMIT $4`,
};
