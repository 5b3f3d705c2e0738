import type { Tx } from '../transaction.js';

/** The inbox's table, for a service's migration. Partitioning is not needed: rows are small and removed by age. */
export const INBOX_TABLE = `
  CREATE TABLE inbox (
    record_id text PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX inbox_seen_at ON inbox USING brin (seen_at)`;

/**
 * Remembers which records had their effect: a record's id is written in the transaction of its effect, so that a record
 * that Kafka delivers again changes nothing. Where the effect has a primary key of its own that serves as well, and is cheaper.
 */
export class Inbox {
  /** Records the ids in the caller's transaction; gives those that are new. Waits for another transaction that holds one of them. */
  async claim(tx: Tx, ids: readonly string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set();
    const rows = await tx.query<{ record_id: string }>(
      // Sorted, so that two transactions with some of the same ids wait for one another instead of dead-locking.
      'INSERT INTO inbox (record_id) SELECT id FROM unnest($1::text[]) AS id GROUP BY id ORDER BY id ON CONFLICT DO NOTHING RETURNING record_id',
      [ids],
    );
    return new Set(rows.map((row) => row.record_id));
  }

  /** Forgets ids older than `ageMs`; it must be more than Kafka keeps records. */
  async forget(tx: Tx, ageMs: number): Promise<void> {
    await tx.query("DELETE FROM inbox WHERE seen_at < now() - $1 * interval '1 millisecond'", [ageMs]);
  }
}
