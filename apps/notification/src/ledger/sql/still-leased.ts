import type { Statement } from '@bongsu/persistence';

/** Which of these deliveries ($2) are leased to this worker ($1) and have not been attempted. */
export const STILL_LEASED: Statement = {
  name: 'ledger_still_leased',
  text: `
    SELECT d.id, EXISTS (SELECT 1 FROM cancellations c WHERE c.notification_id = d.notification_id) AS cancelled
      FROM deliveries d
     WHERE d.id = ANY($2::uuid[]) AND d.worker_id = $1 AND d.ended_at IS NULL AND d.attempts = 0`,
};
