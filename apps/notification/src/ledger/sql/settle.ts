import type { Statement } from '@bongsu/persistence';

/**
 * Writes what became of a batch of deliveries. Only rows whose lease is still this worker's ($1) change: a worker that was
 * taken for dead and wakes up writes nothing. The bounds ($8, $9) let the planner leave out partitions.
 */
export const SETTLE: Statement = {
  name: 'ledger_settle',
  text: `
    UPDATE deliveries d
       SET status = o.status, attempts = o.attempts, version = o.version, next_attempt_at = o.next_attempt_at,
           ended_at = o.ended_at, postponed = o.postponed, worker_id = NULL
      FROM unnest($2::uuid[], $3::text[], $4::integer[], $5::integer[], $6::timestamptz[], $7::timestamptz[], $10::boolean[])
             AS o (id, status, attempts, version, next_attempt_at, ended_at, postponed)
     WHERE d.id = o.id AND d.worker_id = $1 AND d.id BETWEEN $8 AND $9
    RETURNING d.id`,
};

/** Gives leases back: what is due may be claimed by whoever owns the shard now. */
export const GIVE_BACK: Statement = {
  name: 'ledger_give_back',
  text: 'UPDATE deliveries SET worker_id = NULL WHERE worker_id = $1 AND id = ANY($2::uuid[])',
};
