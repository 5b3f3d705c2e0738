import type { Statement } from '@bongsu/persistence';

/**
 * Makes dead deliveries due again at the times given ($4), each only if it is still dead by the fact that the command answers
 * (version $3): a command that comes twice, or a second one about the same dead letter, finds a higher version. The bounds
 * ($5, $6) let the planner leave out partitions.
 *
 * A delivery in strict order loses its place in the line, which went on without it: back in its place it would hold up the
 * later ones of its key until its time comes, which may be hours away. What was erased stays dead: it could only be sent empty.
 */
export const REDRIVE: Statement = {
  name: 'ledger_redrive',
  text: `
    UPDATE deliveries d
       SET status = 'retrying', version = d.version + 1, next_attempt_at = r.not_before, ended_at = NULL,
           schedule_from = d.attempts, postponed = false, ordered = false
      FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::timestamptz[]) AS r (id, tenant, version, not_before),
           notifications n
     WHERE d.id = r.id AND d.id BETWEEN $5 AND $6 AND d.status = 'dead' AND d.version = r.version AND d.worker_id IS NULL
       AND n.id = d.notification_id AND n.tenant = r.tenant AND n.erased_at IS NULL
    RETURNING d.id, d.notification_id, d.shard, d.priority, d.ordered, d.key, d.channel, d.attempts, d.schedule_from, d.version,
              d.postponed, n.request, n.trace, false AS cancelled, d.next_attempt_at AS due`,
};

/** How many of these deliveries the ledger knows: the others left with their partition. */
export const COUNT_KNOWN: Statement = {
  name: 'ledger_count_known',
  text: 'SELECT count(*)::integer AS known FROM deliveries WHERE id = ANY($1::uuid[])',
};
