import type { Tx } from '@bongsu/persistence';

/** How many months are made ahead: a service that is down for so long finds its partitions made. */
const MONTHS_AHEAD = 3;

/**
 * 23514: the default partition holds rows of this month, from a producer whose clock was ahead; it keeps them.
 * 55P03: a long verification reads the default partition just now; it is tried again, months before it is needed.
 * 42501: an operator has taken the right away, to make the partitions elsewhere; until then the default one serves.
 */
const NOT_NOW = new Set(['23514', '55P03', '42501']);

/**
 * Makes the partitions of the month before `now` (milliseconds since 1970), of its own and the next ones, where they are
 * missing. To be called at start and every few hours; safe when replicas do it together. A month whose rows are in the
 * default partition already stays there: nothing is lost by it but the ease of dropping it.
 */
export async function prepareMonths(tx: Tx, now: number): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', ['audit months']);
  await tx.query("SET LOCAL lock_timeout = '200ms'");
  // The one before, too: records of its last days may still wait in Kafka.
  for (let month = -1; month <= MONTHS_AHEAD; month++) {
    await prepareMonth(tx, monthFrom(now, month), monthFrom(now, month + 1));
  }
}

/** The first millisecond (UTC) of the month that is `later` months after that of `now`. */
function monthFrom(now: number, later: number): Date {
  const date = new Date(now);
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later, 1));
}

async function prepareMonth(tx: Tx, from: Date, to: Date): Promise<void> {
  const name = `records_${from.toISOString().slice(0, 7).replace('-', '_')}`;
  const [existing] = await tx.query('SELECT 1 FROM pg_class WHERE oid = to_regclass($1)', [name]);
  if (existing) return;
  await tx.query('SAVEPOINT month');
  try {
    // Made apart and then attached: CREATE … PARTITION OF would lock `records` against everybody, appending included.
    await tx.query(`CREATE TABLE ${name} (LIKE records INCLUDING CONSTRAINTS)`);
    await tx.query(
      `ALTER TABLE records ATTACH PARTITION ${name} FOR VALUES FROM (${from.getTime()}) TO (${to.getTime()})`,
    );
  } catch (error) {
    if (!NOT_NOW.has((error as { code?: string }).code ?? '')) throw error;
    await tx.query('ROLLBACK TO SAVEPOINT month');
  }
}
