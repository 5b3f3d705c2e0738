import { IS_OPEN, type Statement } from '@bongsu/persistence';

/** Notifications to be erased that still wait or are under way in some shards ($1), and whose cancellation nobody has asked for. */
export const FIND_PENDING: Statement = {
  name: 'erasure_find_pending',
  text: `
    SELECT DISTINCT d.shard, n.id, n.tenant
      FROM erasures e
      JOIN notifications n ON n.tenant = e.tenant AND n.recipient_id = e.recipient_id AND n.accepted_at <= e.requested_at
      JOIN deliveries d ON d.notification_id = n.id
     WHERE ${IS_OPEN} AND n.erased_at IS NULL AND d.ended_at IS NULL AND d.shard = ANY($1::smallint[])
       AND NOT EXISTS (SELECT 1 FROM cancellations c WHERE c.notification_id = n.id)
     LIMIT 500`,
};

export interface PendingRow {
  readonly shard: number;
  readonly id: string;
  readonly tenant: string;
}
