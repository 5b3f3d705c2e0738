import type { DataSource } from 'typeorm';
import { transaction, type Tx } from '../transaction.js';
import { endedPartitions, type TimePartitioned } from './partitions.js';

/**
 * How long dropping waits for a lock, milliseconds. Whoever waits for an exclusive lock makes all later statements on the
 * table wait behind it, so this is how long the service may stand still for it. Less than PostgreSQL's deadlock_timeout
 * (1 s): in a deadlock it is the dropping that gives way, never a delivery.
 */
const LOCK_WAIT_MS = 300;
/** SQLSTATE of a lock that was not to be had in time. */
const LOCK_NOT_AVAILABLE = '55P03';

/** Tables whose partitions of the same time belong together, and leave together. */
export interface Retention {
  /** Names the advisory lock: one replica drops at a time. */
  readonly name: string;
  /** Of the same `everyMs`. */
  readonly tables: readonly TimePartitioned[];
  /** Partitions that ended this long ago are dropped, milliseconds. */
  readonly keepMs: number;
  /**
   * Whether something in these partitions is still needed. `partitions` has the name of each table's partition, where there
   * is one. Asked twice: before the tables are locked and, to be sure, while they are; it must be answered in milliseconds.
   */
  readonly inUse: (tx: Tx, partitions: ReadonlyMap<string, string>) => Promise<boolean>;
}

/** What became of the partitions that are older than the retention, by the names that they had. */
export interface Dropping {
  readonly dropped: readonly string[];
  /** Something in them has not ended. */
  readonly kept: readonly string[];
  /** Somebody held a lock, or another replica is at it: they are left to the next time. */
  readonly busy: readonly string[];
}

/**
 * Drops what is older than a retention, one transaction per period, so that its partitions go together or not at all, also
 * when the process dies in the middle. Nothing is ever deleted row by row, and default partitions stay.
 * @param now milliseconds since 1970
 */
export async function dropEnded(dataSource: DataSource, retention: Retention, now: number): Promise<Dropping> {
  const periods = await transaction(dataSource, (tx) => endedPeriods(tx, retention, now - retention.keepMs));
  const dropping = { dropped: [] as string[], kept: [] as string[], busy: [] as string[] };
  for (const partitions of periods) {
    const outcome = await dropPeriod(dataSource, retention, partitions);
    dropping[outcome].push(...partitions.values());
  }
  return dropping;
}

/** The partitions of each period that ended before `before`, oldest first, by their tables. */
async function endedPeriods(tx: Tx, { tables }: Retention, before: number): Promise<Map<string, string>[]> {
  const periods = new Map<string, Map<string, string>>();
  for (const table of tables) {
    for (const partition of await endedPartitions(tx, table, before)) {
      const period = partition.slice(table.table.length);
      periods.set(period, (periods.get(period) ?? new Map<string, string>()).set(table.table, partition));
    }
  }
  return [...periods].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, partitions]) => partitions);
}

async function dropPeriod(
  dataSource: DataSource,
  { name, tables, inUse }: Retention,
  partitions: ReadonlyMap<string, string>,
): Promise<keyof Dropping> {
  try {
    return await transaction(dataSource, async (tx) => {
      const [turn] = await tx.query<{ ours: boolean }>(TAKE_TURN, [name]);
      if (turn?.ours !== true) return 'busy';
      // Another replica may have had its turn since they were listed.
      const [there] = await tx.query<{ all: boolean }>(ARE_THERE, [[...partitions.values()]]);
      if (there?.all !== true) return 'busy';
      await tx.query(`SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`);
      // The indexes that answer `inUse` are tiny, and yet old statistics could talk the planner into reading the whole table.
      await tx.query('SET LOCAL enable_seqscan = off');
      if (await inUse(tx, partitions)) return 'kept';
      await tx.query(`LOCK TABLE ${tables.map(({ table }) => `ONLY ${table}`).join(', ')} IN ACCESS EXCLUSIVE MODE`);
      if (await inUse(tx, partitions)) return 'kept';
      await tx.query(`DROP TABLE ${[...partitions.values()].join(', ')}`);
      return 'dropped';
    });
  } catch (error) {
    if ((error as { code?: string }).code === LOCK_NOT_AVAILABLE) return 'busy';
    throw error;
  }
}

/** By schema: services that share a database have tables of the same names. */
const TAKE_TURN = `SELECT pg_try_advisory_xact_lock(hashtextextended('retention ' || current_schema() || ' ' || $1, 0)) AS ours`;
const ARE_THERE = 'SELECT bool_and(to_regclass(name) IS NOT NULL) AS all FROM unnest($1::text[]) AS name';
