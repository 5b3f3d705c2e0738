import { firstIdAt, deliveryId } from '@bongsu/contracts';
import {
  dropEnded,
  ensurePartitions,
  Housekeeper,
  partitionName,
  query,
  transaction,
  type Dropping,
} from '@bongsu/persistence';
import { describe, expect, it } from 'vitest';
import { LEDGER_PARTITIONS, ledgerRetention } from '../../../apps/notification/src/housekeeping/retention.js';
import { hasWork } from '../../../apps/notification/src/housekeeping/sql/has-work.js';
import { logger } from './database.js';
import { accepted, inMemory, ledgerRig, SHARD } from './ledger-rig.js';

const DAY = 86_400_000;
const WEEK = 7 * DAY;
const THIS_WEEK = Math.floor(Date.now() / WEEK) * WEEK;
/** So long after the beginning of this week the oldest of the weeks below are due, and the newest are not. */
const KEEP = 30 * DAY;
const retention = ledgerRetention(KEEP);

const rig = ledgerRig();
const { replica } = rig;

/** An id of so many weeks ago, one of many. */
const idOf = (weeksAgo: number, n = 0): string =>
  firstIdAt(THIS_WEEK - weeksAgo * WEEK + 1_000 + n).replace('-0000-0000-', '-7000-8000-');
const weekOf = (weeksAgo: number): string[] =>
  LEDGER_PARTITIONS.map((table) => partitionName(table, THIS_WEEK - weeksAgo * WEEK));

async function makeWeeks(...weeksAgo: number[]): Promise<void> {
  for (const table of LEDGER_PARTITIONS) {
    for (const week of weeksAgo) {
      await transaction(rig.dataSource, (tx) => ensurePartitions(tx, table, THIS_WEEK - week * WEEK, 0));
    }
  }
}

/** A notification with one delivery, which has ended unless something else is said of it. */
async function put(weeksAgo: number, how: Record<string, string> = { ended_at: 'now()' }, n = 0): Promise<string> {
  const id = idOf(weeksAgo, n);
  await query(
    rig.dataSource,
    `INSERT INTO notifications (id, tenant, recipient_id, key, accepted_at, request) VALUES ($1, 't', 'r', 't/r', now(), '{}')`,
    [id],
  );
  await query(rig.dataSource, `INSERT INTO cancellations VALUES ($1, now())`, [id]);
  await query(
    rig.dataSource,
    `INSERT INTO deliveries (id, notification_id, shard, priority, ordered, key, channel, status, ${Object.keys(how).join(', ')})
     VALUES ($1, $2, 3, 1, false, 't/r', 'log', 'x', ${Object.values(how).join(', ')})`,
    [deliveryId(id, 'log'), id],
  );
  return id;
}

const partitionsOf = async (table: string): Promise<string[]> => {
  const rows = await query<{ name: string }>(
    rig.dataSource,
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1)`,
    [table],
  );
  return rows.map(({ name }) => name);
};
const allPartitions = async (): Promise<string[]> =>
  (await Promise.all(LEDGER_PARTITIONS.map(({ table }) => partitionsOf(table)))).flat();
const count = async (table: string): Promise<number> =>
  (await query<{ n: number }>(rig.dataSource, `SELECT count(*)::int AS n FROM ${table}`))[0]!.n;
const drop = (now = Date.now()): Promise<Dropping> => dropEnded(rig.dataSource, retention, now);

describe('the retention of the ledger', () => {
  it('drops weeks that ended before it, whole, and no other one', async () => {
    await makeWeeks(8, 7, 3, 2);
    for (const week of [8, 7, 3, 2]) for (let n = 0; n < 50; n++) await put(week, undefined, n);
    const { dropped, kept, busy } = await drop();
    expect([kept, busy]).toEqual([[], []]);
    expect(dropped).toEqual(expect.arrayContaining([...weekOf(8), ...weekOf(7)]));
    expect(await allPartitions()).toEqual(expect.arrayContaining([...weekOf(3), ...weekOf(2), ...weekOf(0)]));
    for (const table of ['notifications', 'deliveries', 'cancellations']) expect(await count(table)).toBe(100);
    expect(await count('deliveries_default')).toBe(0);
  });

  it('counts from the end of a week, so that its last row has had the whole retention', async () => {
    await makeWeeks(9);
    await put(9);
    const end = THIS_WEEK - 8 * WEEK;
    expect((await drop(end + KEEP - 1)).dropped).toEqual([]);
    expect((await drop(end + KEEP)).dropped).toEqual(weekOf(9));
  });

  it.each([
    ['is scheduled for next year', { next_attempt_at: `now() + interval '1 year'` }],
    ['waits for its turn in strict order', { next_attempt_at: `'infinity'` }],
    ['waits for memory', { flow: '7' }],
    ['is being worked on', { worker_id: '1', next_attempt_at: 'now()' }],
    ['is due', { next_attempt_at: 'now()' }],
  ])('keeps the week of a delivery that %s', async (_what, how) => {
    await makeWeeks(10, 8);
    await put(10, undefined, 1);
    await put(8, undefined, 1);
    const id = await put(10, how, 2);
    const { dropped, kept } = await drop();
    expect([dropped, kept]).toEqual([weekOf(8), weekOf(10)]);
    expect(await count('deliveries')).toBe(2);
    await query(
      rig.dataSource,
      'UPDATE deliveries SET worker_id = NULL, next_attempt_at = NULL, flow = NULL, ended_at = now() WHERE notification_id = $1',
      [id],
    );
    expect((await drop()).dropped).toEqual(weekOf(10));
  });

  it('asks the partial indexes alone, also by statistics that say otherwise', async () => {
    await makeWeeks(8);
    const [, deliveries] = weekOf(8);
    await query(
      rig.dataSource,
      `INSERT INTO deliveries (id, notification_id, shard, priority, ordered, key, channel, status, worker_id)
       SELECT ($1::text || lpad(n::text, 12, '0'))::uuid, gen_random_uuid(), 3, 1, false, 'k', 'log', 'x', 1 FROM generate_series(1, 20000) n`,
      [idOf(8).slice(0, 24)],
    );
    await query(rig.dataSource, `ANALYZE ${deliveries}`);
    await query(rig.dataSource, `UPDATE deliveries SET worker_id = NULL, ended_at = now()`);
    const plan = await transaction(rig.dataSource, async (tx) => {
      await tx.query('SET LOCAL enable_seqscan = off');
      return tx.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${hasWork(deliveries!)}`);
    });
    const text = plan.map((row) => row['QUERY PLAN']).join('\n');
    expect(text.match(/Seq Scan|Index\w*( Only)? Scan/g)).toEqual(Array(3).fill(expect.stringMatching(/^Index/)));
    expect(text).not.toContain('pkey');
  });

  it('gives way to whoever holds a lock, and drops the next time', async () => {
    await makeWeeks(8);
    await put(8);
    const { promise: held, resolve: hold } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const reader = transaction(rig.dataSource, async (tx) => {
      await tx.query('SELECT count(*) FROM cancellations');
      hold();
      await released;
    });
    await held;
    const began = performance.now();
    expect(await drop()).toEqual({ dropped: [], kept: [], busy: weekOf(8) });
    expect(performance.now() - began).toBeLessThan(5_000);
    // Nobody waits behind the attempt.
    expect(await count('cancellations')).toBe(1);
    release();
    await reader;
    expect((await drop()).dropped).toEqual(weekOf(8));
  });

  it('drops once when several replicas are at it at the same time', async () => {
    await makeWeeks(12, 11, 10, 9, 8);
    for (const week of [12, 11, 10, 9, 8]) await put(week);
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => drop()));
    const dropped = outcomes.flatMap((outcome) => outcome.dropped);
    const rest = (await drop()).dropped;
    expect([...dropped, ...rest].toSorted()).toEqual([12, 11, 10, 9, 8].flatMap(weekOf).toSorted());
  });

  it('drops all of a week or nothing when it dies in the middle', async () => {
    await makeWeeks(8);
    await put(8);
    let asked = 0;
    const dying = dropEnded(
      rig.dataSource,
      {
        ...retention,
        inUse: async (tx) => {
          // The second time all locks are held; then one of the three is gone already.
          if (++asked < 2) return false;
          await tx.query(`DROP TABLE ${weekOf(8)[0]}`);
          await tx.query('SELECT pg_terminate_backend(pg_backend_pid())');
          return false;
        },
      },
      Date.now(),
    );
    await expect(dying).rejects.toThrow(/terminat/i);
    expect(await allPartitions()).toEqual(expect.arrayContaining(weekOf(8)));
    expect(await count('notifications')).toBe(1);
    expect((await drop()).dropped).toEqual(weekOf(8));
  });

  it('leaves a row that is written in the last moment, by looking again under the lock', async () => {
    await makeWeeks(8);
    let asked = 0;
    const outcome = await dropEnded(
      rig.dataSource,
      {
        ...retention,
        inUse: async (tx, partitions) => {
          const answer = await retention.inUse(tx, partitions);
          if (++asked === 1) await put(8, { next_attempt_at: 'now()' });
          return answer;
        },
      },
      Date.now(),
    );
    expect(outcome.kept).toEqual(weekOf(8));
    expect(await count('deliveries')).toBe(1);
  });
});

describe('what comes when its week has been dropped', () => {
  it('ends as expired, is not sent, and is not kept', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const late = accepted({ id: idOf(20), channels: ['log', 'email'] });
    const fresh = accepted();
    const leased = await ledger.takeIn(SHARD, [late, fresh], inMemory, true);
    expect(leased.map(({ notificationId }) => notificationId)).toEqual([fresh.request.id]);
    expect(await count('notifications')).toBe(1);
    const facts = (await rig.facts()).map(({ value }) => JSON.parse(value.toString()) as object);
    expect(facts).toMatchObject([
      { notificationId: late.request.id, channel: 'log', status: 'expired', version: 1 },
      { notificationId: late.request.id, channel: 'email', status: 'expired', version: 1 },
    ]);
  });

  it('is taken in, once, as long as its week is there, however old', async () => {
    await makeWeeks(20);
    const { ledger, own } = await replica();
    await own(SHARD);
    const late = accepted({ id: idOf(20) });
    expect(await ledger.takeIn(SHARD, [late], inMemory, true)).toHaveLength(1);
    expect(await ledger.takeIn(SHARD, [late], inMemory, true)).toHaveLength(0);
    expect(await rig.facts()).toEqual([]);
    await query(rig.dataSource, 'UPDATE deliveries SET worker_id = NULL, next_attempt_at = NULL, ended_at = now()');
    expect((await drop()).dropped).toEqual(expect.arrayContaining(weekOf(20)));
    expect(await ledger.takeIn(SHARD, [late], inMemory, true)).toHaveLength(0);
    expect(await rig.facts()).toHaveLength(1);
  });

  it('is not remembered as cancelled', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const requestedAt = new Date().toISOString();
    const recent = accepted().request.id;
    const cancel = [idOf(20), recent].map((notificationId) => ({ notificationId, requestedAt }));
    await ledger.cancel(SHARD, cancel, () => expect.unreachable('nothing ended'));
    expect(await query(rig.dataSource, 'SELECT notification_id FROM cancellations')).toEqual([
      { notification_id: recent },
    ]);
  });
});

describe('the housekeeper', () => {
  it('goes on with the next retention when one fails, and with all of it when partitions cannot be made', async () => {
    await makeWeeks(8);
    const failing = { ...retention, inUse: () => Promise.reject(new Error('out of order')) };
    const housekeeper = new Housekeeper({
      dataSource: rig.dataSource,
      prepare: () => Promise.reject(new Error('disk full')),
      retentions: [failing, retention],
      logger,
    });
    await housekeeper.run();
    expect(await allPartitions()).not.toEqual(expect.arrayContaining(weekOf(8).slice(0, 1)));
  });
});
