import { LAST_RECORD } from '@bongsu/audit-chain';
import type { Statement } from '@bongsu/persistence';

/**
 * Of two writers of one chain ($1, its name), the second waits here until the first has committed. An advisory lock, since
 * the writers' role may change no row and so lock none.
 */
export const LOCK_CHAIN: Statement = {
  name: 'audit_lock_chain',
  text: `SELECT pg_advisory_xact_lock(hashtextextended('audit chain ' || $1, 0))`,
};

/** The last record of a chain, to be read with the chain locked. */
export const READ_HEAD: Statement = { name: 'audit_read_head', text: LAST_RECORD };
