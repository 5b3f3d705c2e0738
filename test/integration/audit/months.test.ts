import { LAST_RECORD, LAST_RECORDS } from '@bongsu/audit-chain';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { freshAudit, logger, raw, salts, verifyAll, type AuditDatabase } from './database.js';

const EVENTS = 'notification.events.v1';
const MONTHS = 36;
const PER_MONTH = 50;
const PARTITIONS = 4;

const monthOf = (month: number): number => Date.UTC(2030, month, 15);
let audit: AuditDatabase;
beforeAll(async () => {
  audit = await freshAudit();
  const appender = new Appender(audit.database, salts, logger);
  for (let month = 0; month < MONTHS; month++) {
    await audit.database.prepareMonths(monthOf(month));
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const records = Array.from({ length: PER_MONTH }, (_, i) =>
        raw(month * PER_MONTH + i, { timestamp: BigInt(monthOf(month) + i) }),
      );
      await appender.append(EVENTS, partition, records);
    }
  }
  await audit.owner.query('VACUUM ANALYZE records');
}, 120_000);
afterAll(() => audit.close());

it('keeps the records of each month in its own partition, and the chains run through all of them', async () => {
  const rows = await audit.database.query<{ name: string; count: string }>(
    'SELECT tableoid::regclass::text AS name, count(*) FROM records GROUP BY 1 ORDER BY 1',
  );
  expect(rows).toHaveLength(MONTHS);
  expect(rows[0]).toEqual({ name: 'records_2030_01', count: String(PER_MONTH * PARTITIONS) });
  expect(await verifyAll(audit.database)).toMatchObject({
    ok: true,
    records: MONTHS * PER_MONTH * PARTITIONS,
    chains: PARTITIONS,
    notices: [],
  });
});

it("finds a chain's head by one look into the index of each month", async () => {
  for (const [sql, values, heads] of [
    [LAST_RECORD, [EVENTS, 2], 1],
    [LAST_RECORDS, [], PARTITIONS],
  ] as const) {
    const plan = JSON.stringify(await audit.database.query(`EXPLAIN (FORMAT JSON) ${sql}`, values));
    // A table's scan, or a sort of more than the few heads, would read every record of the chain at each append.
    expect(plan).toContain('Merge Append');
    expect(plan).not.toMatch(/Seq Scan","Parallel Aware":false,"Async Capable":false,"Relation Name":"records_20/);
    const rows = await audit.database.query<{ sequence: string }>(sql, values);
    expect(rows.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: heads }, () => String(MONTHS * PER_MONTH)),
    );
  }
});
