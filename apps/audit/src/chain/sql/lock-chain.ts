import { LAST_RECORD, type HeadRow } from '@bongsu/audit-chain';
import type { Statement } from '@bongsu/persistence';

const APPENDING = "hashtextextended('audit appending', 0)";

/**
 * Of two writers of one chain ($1, its name), the second waits here until the first has committed. An advisory lock, since
 * the writers' role may change no row and so lock none. All writers share the other lock, for AFTER_APPENDING.
 */
export const LOCK_CHAIN: Statement = {
  name: 'audit_lock_chain',
  text: `SELECT pg_advisory_xact_lock(hashtextextended('audit chain ' || $1, 0)), pg_advisory_xact_lock_shared(${APPENDING})`,
};

/**
 * The last record of a chain, to be read with the chain locked, and whether anybody was ever erased: as long as nobody was,
 * nobody needs to be looked for. One row always, with nulls where the chain has no record yet.
 */
export const READ_HEAD: Statement = {
  name: 'audit_read_head',
  text: `
    SELECT head.*, EXISTS (SELECT 1 FROM erasures) AS erasing
      FROM (SELECT) AS always LEFT JOIN LATERAL (${LAST_RECORD}) AS head ON true`,
};

export type HeadReading = (HeadRow | { readonly topic: null }) & { readonly erasing: boolean };

/** Resolves when every transaction that was appending at the time of the call has ended. */
export const AFTER_APPENDING = `SELECT pg_advisory_xact_lock(${APPENDING})`;
