import { lastRecordOf, type HeadRow } from '@bongsu/audit-chain';
import type { Statement } from '@bongsu/persistence';

const APPENDING = "hashtextextended('audit appending', 0)";

/**
 * Of two writers of one chain, the second waits here until the first has committed. An advisory lock, since the writers'
 * role may change no row and so lock none. All writers share another lock, for AFTER_APPENDING, and have it first: who waits
 * for it has no chain that others wait for.
 * @param names of the chains ($1), sorted, so that two writers of several wait for one another instead of dead-locking
 */
export const LOCK_CHAINS: Statement = {
  name: 'audit_lock_chains',
  text: `
    WITH shared AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(${APPENDING}))
    SELECT pg_advisory_xact_lock(hashtextextended('audit chain ' || name, 0)) FROM shared, unnest($1::text[]) AS chains (name)`,
};

/**
 * The last record of each of the chains $1, $2, to be read with the chains locked, and whether anybody was ever erased: as long as
 * nobody was, nobody needs to be looked for. One row for each chain in their order, with nulls where it has no record yet.
 */
export const READ_HEADS: Statement = {
  name: 'audit_read_heads',
  text: `
    SELECT head.*, EXISTS (SELECT 1 FROM erasures) AS erasing
      FROM unnest($1::text[], $2::integer[]) WITH ORDINALITY AS chain (topic, partition, n)
      LEFT JOIN LATERAL (${lastRecordOf('chain.topic', 'chain.partition')}) AS head ON true
     ORDER BY chain.n`,
};

export type HeadReading = (HeadRow | { readonly topic: null }) & { readonly erasing: boolean };

/** Resolves when every transaction that was appending at the time of the call has ended. */
export const AFTER_APPENDING = `SELECT pg_advisory_xact_lock(${APPENDING})`;
