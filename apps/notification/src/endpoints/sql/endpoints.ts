import type { Statement } from '@bongsu/persistence';

/** Endpoints as facts about them need them. */
export interface ChangedRow {
  readonly tenant: string;
  readonly channel: string;
  readonly endpoint: string;
  readonly version: number;
  readonly delivery_id: string;
  readonly at: Date;
}

/**
 * Disables endpoints. One that is disabled already stays as it is. One that was enabled is disabled again only by the answer
 * to a call that began after that: an answer that was under way at that moment says nothing new.
 */
export const DISABLE_ENDPOINTS: Statement = {
  name: 'endpoints_disable',
  text: `
    INSERT INTO disabled_endpoints AS e (tenant, channel, endpoint_hash, endpoint, version, disabled_at, delivery_id, called_at)
    SELECT tenant, channel, decode(hash, 'hex'), endpoint, 1, now(), delivery_id, called_at
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[])
             AS r (tenant, channel, hash, endpoint, delivery_id, called_at)
     ORDER BY tenant, channel, hash
    ON CONFLICT (tenant, channel, endpoint_hash) DO UPDATE SET
      version = e.version + 1, disabled_at = excluded.disabled_at, delivery_id = excluded.delivery_id,
      called_at = excluded.called_at, changed_at = clock_timestamp()
      WHERE e.disabled_at IS NULL AND e.enabled_at < excluded.called_at
    RETURNING tenant, channel, endpoint, version, delivery_id, disabled_at AS at`,
};

/** Enables endpoints that are disabled by the fact that the command answers (version $4), so that it counts once. */
export const ENABLE_ENDPOINTS: Statement = {
  name: 'endpoints_enable',
  text: `
    UPDATE disabled_endpoints e
       SET version = e.version + 1, disabled_at = NULL, enabled_at = now(), changed_at = clock_timestamp()
      FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[]) AS r (tenant, channel, hash, version)
     WHERE e.tenant = r.tenant AND e.channel = r.channel AND e.endpoint_hash = decode(r.hash, 'hex')
       AND e.version = r.version AND e.disabled_at IS NOT NULL
    RETURNING e.tenant, e.channel, e.endpoint, e.version, e.delivery_id, e.enabled_at AS at`,
};

export interface StateRow {
  readonly tenant: string;
  readonly channel: string;
  readonly hash: string;
  readonly disabled: boolean;
  readonly changed_at: Date;
}

/** What changed after $1, oldest first, in pages of $2. */
export const CHANGED_ENDPOINTS: Statement = {
  name: 'endpoints_changed',
  text: `
    SELECT tenant, channel, encode(endpoint_hash, 'hex') AS hash, disabled_at IS NOT NULL AS disabled, changed_at
      FROM disabled_endpoints WHERE changed_at > $1 ORDER BY changed_at LIMIT $2`,
};
