import { ERASED } from '@bongsu/contracts';
import { IS_OPEN, type Statement } from '@bongsu/persistence';

/**
 * Notifications of erased recipients that still tell of a person, ours until the transaction ends: not erased yet, or told of
 * by a fact that came afterwards.
 */
export const FIND_ERASABLE: Statement = {
  name: 'erasure_find',
  text: `
    SELECT n.id
      FROM erasures e
      JOIN notifications n ON n.tenant = e.tenant AND n.recipient_id = e.recipient_id AND n.accepted_at <= e.requested_at
     WHERE ${IS_OPEN} AND n.requested
       AND (n.erased_at IS NULL OR EXISTS (
         SELECT 1 FROM attempts a WHERE a.notification_id = n.id AND a.error ->> 'message' <> '${ERASED}'))
     LIMIT 500
       FOR UPDATE OF n SKIP LOCKED`,
};

/** One recipient's last erasure ($1 tenant, $2 recipient), and what it came to so far. */
export const READ_ERASURE: Statement = {
  name: 'erasure_read',
  text: `
    SELECT e.id, e.requested_at AS "requestedAt", e.swept_at AS "sweptAt",
           (SELECT count(*) FROM notifications n
             WHERE n.tenant = e.tenant AND n.recipient_id = e.recipient_id AND n.requested AND n.erased_at IS NOT NULL
               AND n.accepted_at <= e.requested_at) AS notifications
      FROM erasures e WHERE e.tenant = $1 AND e.recipient_id = $2
     ORDER BY e.requested_at DESC LIMIT 1`,
};

export interface ErasureRow {
  readonly id: string;
  readonly requestedAt: Date;
  readonly sweptAt: Date | null;
  readonly notifications: string;
}
