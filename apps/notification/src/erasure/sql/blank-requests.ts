import { IS_OPEN, type Statement } from '@bongsu/persistence';

/**
 * Leaves of the requests of erased recipients what the ledger works by, and no person. Only of what has ended, or will end
 * as cancelled: a delivery without its address could only fail. Rows that another worker has in hand are left to it.
 */
export const BLANK_REQUESTS: Statement = {
  name: 'erasure_blank_requests',
  text: `
    WITH found AS (
      SELECT n.id
        FROM erasures e
        JOIN notifications n ON n.tenant = e.tenant AND n.recipient_id = e.recipient_id AND n.accepted_at <= e.requested_at
       WHERE ${IS_OPEN} AND n.erased_at IS NULL
         AND (EXISTS (SELECT 1 FROM cancellations c WHERE c.notification_id = n.id)
              OR NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.notification_id = n.id AND d.ended_at IS NULL))
       LIMIT 500
         FOR UPDATE OF n SKIP LOCKED
    )
    UPDATE notifications n
       SET erased_at = now(), trace = NULL,
           request = convert_to(json_strip_nulls(json_build_object(
             'id', n.id, 'tenant', n.tenant, 'recipient', json_build_object('id', n.recipient_id),
             'channels', r -> 'channels', 'priority', r -> 'priority', 'acceptedAt', r -> 'acceptedAt',
             'apiKeyId', r -> 'apiKeyId', 'orderingKey', r -> 'orderingKey'))::text, 'UTF8')
      FROM found, LATERAL (SELECT convert_from(f.request, 'UTF8')::json AS r FROM notifications f WHERE f.id = found.id) given
     WHERE n.id = found.id
    RETURNING n.id`,
};

/** Whether anything of the list is left that this statement and find-pending would find, in anybody's shard. */
export const IS_ANYTHING_LEFT: Statement = {
  name: 'erasure_is_anything_left',
  text: `
    SELECT EXISTS (
      SELECT 1 FROM erasures e
        JOIN notifications n ON n.tenant = e.tenant AND n.recipient_id = e.recipient_id AND n.accepted_at <= e.requested_at
       WHERE e.swept_at IS NULL AND n.erased_at IS NULL) AS left`,
};
