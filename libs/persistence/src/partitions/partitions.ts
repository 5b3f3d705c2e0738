import { firstIdAt } from '@bongsu/contracts';
import type { Tx } from '../transaction.js';

/** A table that is partitioned by ranges of time: of a timestamp, or of an id that begins with one (contracts' ids). */
export interface TimePartitioned {
  readonly table: string;
  readonly by: 'timestamp' | 'id';
  /** The length of one partition, milliseconds. */
  readonly everyMs: number;
}

const suffix = (ms: number): string => new Date(ms).toISOString().slice(0, 13).replaceAll(/[-T]/g, '');
const bound = (by: TimePartitioned['by'], ms: number): string =>
  by === 'id' ? firstIdAt(ms) : new Date(ms).toISOString();

/** The name of the partition that holds a moment (milliseconds since 1970), whether it is there or not. */
export const partitionName = ({ table, everyMs }: TimePartitioned, ms: number): string =>
  `${table}_${suffix(Math.floor(ms / everyMs) * everyMs)}`;

/**
 * Makes the partitions from the one of `now` up to `ahead` later ones, where they are missing. Rows outside all of them
 * go to the table's default partition. Safe when several replicas do it together.
 */
export async function ensurePartitions(
  tx: Tx,
  partitioned: TimePartitioned,
  now: number,
  ahead: number,
): Promise<void> {
  const { table, by, everyMs } = partitioned;
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`partitions ${table}`]);
  const first = Math.floor(now / everyMs) * everyMs;
  for (let i = 0; i <= ahead; i++) {
    const from = first + i * everyMs;
    const name = partitionName(partitioned, from);
    const [existing] = await tx.query('SELECT 1 FROM pg_class WHERE oid = to_regclass($1)', [name]);
    if (existing) continue;
    const range = `FOR VALUES FROM ('${bound(by, from)}') TO ('${bound(by, from + everyMs)}')`;
    await tx.query('SAVEPOINT partition');
    try {
      await tx.query(`CREATE TABLE ${name} PARTITION OF ${table} ${range}`);
    } catch (error) {
      // 23514: the default partition already holds rows of this range (a clock was far off); they stay there, and it serves.
      if ((error as { code?: string }).code !== '23514') throw error;
      await tx.query('ROLLBACK TO SAVEPOINT partition');
    }
  }
}

/** The partitions that ended before `before` (milliseconds since 1970), oldest first: candidates for dropping. */
export async function endedPartitions(tx: Tx, partitioned: TimePartitioned, before: number): Promise<string[]> {
  const rows = await tx.query<{ name: string }>(
    'SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1) ORDER BY 1',
    [partitioned.table],
  );
  const last = partitionName(partitioned, before);
  return rows.map(({ name }) => name).filter((name) => /_\d{10}$/.test(name) && name < last);
}
