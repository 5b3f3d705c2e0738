import { randomBytes } from 'node:crypto';
import { recordsOf, decodeHeaders, type StoredRecord } from '@bongsu/audit-chain';
import type { RawRecord } from '@bongsu/contracts';
import type { Database } from '../../../apps/audit/src/database/database.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { freshAudit, logger, raw, raws, salts, verifyAll, type AuditDatabase } from './database.js';

const EVENTS = 'notification.events.v1';
const KEYS = 'access.keys.v1';
let audit: AuditDatabase;
let partition = 0;
beforeAll(async () => {
  audit = await freshAudit();
});
afterAll(() => audit.close());

/** A chain that no other test writes to. */
const fresh = (): {
  append(records: readonly RawRecord[], by?: Appender): Promise<number>;
  read(): Promise<StoredRecord[]>;
} => {
  const mine = partition++;
  const appender = new Appender(audit.database, salts, logger);
  return {
    append: (records, by = appender) => by.append(EVENTS, mine, records),
    read: () => readAll(audit.database, mine),
  };
};

async function readAll(database: Database, partition: number): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  await database.transaction(async (tx) => {
    for await (const record of recordsOf((sql, values) => tx.query(sql, values), EVENTS, partition))
      records.push(record);
  });
  return records;
}

const offsets = (records: readonly StoredRecord[]): number[] => records.map(({ offset }) => Number(offset));

describe('appending', () => {
  it('keeps every record as it was, in order, and the chain verifies', async () => {
    const chain = fresh();
    expect(await chain.append(raws(0, 3))).toBe(3);
    expect(await chain.append(raws(3, 5))).toBe(2);
    const records = await chain.read();
    expect(offsets(records)).toEqual([0, 1, 2, 3, 4]);
    expect(records.map(({ sequence }) => Number(sequence))).toEqual([1, 2, 3, 4, 5]);
    expect(records[4]).toMatchObject({
      tenant: 'acme',
      recipient: 'user-4',
      eventId: 'event-4',
      subject: 'notification-4',
      type: 'bongsu.delivery.delivered.v1',
    });
    expect((await verifyAll(audit.database)).problems).toEqual([]);
  });

  it('changes nothing when Kafka delivers the same records again', async () => {
    const chain = fresh();
    const records = raws(0, 6);
    await chain.append(records.slice(0, 4));
    const before = await chain.read();
    expect(await chain.append(records.slice(0, 4))).toBe(0);
    expect(await chain.append(records.slice(1, 3))).toBe(0);
    expect(await chain.read()).toEqual(before);
    expect(await chain.append(records)).toBe(2);
    expect(offsets(await chain.read())).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('writes each record once when two replicas append the same ones at the same time', async () => {
    const chain = fresh();
    const other = new Appender(await audit.another(), salts, logger);
    const records = raws(0, 200);
    for (let from = 0; from < 200; from += 50) {
      const batch = records.slice(from, from + 50);
      const added = await Promise.all([chain.append(batch), chain.append(batch, other), chain.append(batch)]);
      expect(added.reduce((sum, each) => sum + each)).toBe(50);
    }
    expect(offsets(await chain.read())).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect((await verifyAll(audit.database)).problems).toEqual([]);
  });

  it('leaves nothing behind when its transaction fails half way', async () => {
    const chain = fresh();
    await chain.append(raws(0, 2));
    const before = await chain.read();
    const refused = raw(3);
    // A row that stands in its way (below the head): the insert fails on its last record, and the first ones may not stay.
    await audit.database.query(
      `INSERT INTO records (kind, topic, partition, sequence, "offset", epoch, timestamp_ms, headers, payload_digest, hash)
       VALUES ('record', $1, $2, 1, 3, 0, $3, '', '', '')`,
      [EVENTS, partition - 1, refused.timestamp],
    );
    await expect(chain.append([raw(2), refused])).rejects.toThrow(/duplicate key/);
    await audit.owner.query('DELETE FROM records WHERE partition = $1 AND sequence = 1 AND "offset" = 3', [
      partition - 1,
    ]);
    expect(await chain.read()).toEqual(before);
    expect(await chain.append([raw(2)])).toBe(1);
  });

  it('goes on over offsets that Kafka no longer has, behind a record of its own that says so', async () => {
    const chain = fresh();
    const last = raw(20);
    expect(await chain.append([raw(10), raw(11), last])).toBe(3);
    expect(await chain.append([last])).toBe(0);
    const records = await chain.read();
    expect(records.map(({ kind, offset }) => [kind, Number(offset)])).toEqual([
      ['gap', 9],
      ['record', 10],
      ['record', 11],
      ['gap', 19],
      ['record', 20],
    ]);
    expect(records[3]).toMatchObject({ type: 'bongsu.audit.gap.v1', timestampMs: records[4]!.timestampMs });
    expect(records[3]!.payload!.toString()).toBe('{"kind":"gap","expectedOffset":"12","offset":"20"}');
    const { ok, notices } = await verifyAll(audit.database);
    expect(ok).toBe(true);
    expect(notices?.filter(({ chain }) => chain === `${EVENTS}/${partition - 1}`)).toHaveLength(2);
  });

  it('records what comes after a topic was deleted and made anew, instead of taking it for delivered before', async () => {
    const chain = fresh();
    const old = raws(0, 5);
    await chain.append(old);
    const young = [0, 1, 2, 3, 4, 5, 6].map((offset) => raw(offset, { key: Buffer.from('acme/new') }));
    expect(await chain.append(young.slice(0, 3))).toBe(3);
    expect(await chain.append(young.slice(0, 3))).toBe(0);
    expect(await chain.append(young)).toBe(4);
    const records = await chain.read();
    expect(offsets(records)).toEqual([0, 1, 2, 3, 4, -1, 0, 1, 2, 3, 4, 5, 6]);
    expect(records.map(({ epoch }) => epoch)).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    expect(records[5]!.payload!.toString()).toBe('{"kind":"reset","expectedOffset":"5","offset":"0"}');
    const { ok, notices } = await verifyAll(audit.database);
    expect(ok).toBe(true);
    expect(notices?.some(({ what }) => what.includes('began again'))).toBe(true);
  });
});

describe('gaps where Kafka compacts', () => {
  it('are no gaps; a topic that was made anew is one', async () => {
    const appender = new Appender(audit.database, salts, logger);
    const old = [raw(3), raw(7)];
    await appender.append(KEYS, 0, old);
    await appender.append(KEYS, 0, [raw(2, { key: Buffer.from('new') }), raw(4, { key: Buffer.from('new') })]);
    const records = await audit.database.query('SELECT kind, "offset", epoch FROM records WHERE topic = $1', [KEYS]);
    expect(records).toEqual([
      { kind: 'record', offset: '3', epoch: 0 },
      { kind: 'record', offset: '7', epoch: 0 },
      { kind: 'gap', offset: '1', epoch: 1 },
      { kind: 'record', offset: '2', epoch: 1 },
      { kind: 'record', offset: '4', epoch: 1 },
    ]);
    expect((await verifyAll(audit.database)).problems).toEqual([]);
  });
});

describe('poison', () => {
  const year9999 = BigInt(Date.UTC(9999, 11, 31));
  const poison: [string, Partial<RawRecord>][] = [
    ['a null key', { key: null }],
    ['an empty key', { key: Buffer.alloc(0) }],
    ['a null value', { value: null }],
    ['an empty value', { value: Buffer.alloc(0) }],
    ['a megabyte', { value: randomBytes(1024 * 1024) }],
    ['a megabyte of nested brackets', { value: Buffer.from(`{"a":${'['.repeat(1024 * 1024)}`) }],
    ['a timestamp of year 9999', { timestamp: year9999 }],
    ['no timestamp', { timestamp: -1n }],
    ['the largest timestamp', { timestamp: 2n ** 63n - 1n }],
    ['the smallest timestamp', { timestamp: -(2n ** 63n) }],
    ['no headers', { headers: [] }],
    [
      'invalid UTF-8 everywhere',
      { key: Buffer.from([0xff]), value: Buffer.from([0x7b, 0xff]), headers: [['ce_id', Buffer.from([0xc3])]] },
    ],
    [
      'NUL and lone surrogates',
      {
        key: Buffer.from('\0'),
        value: Buffer.from('{"tenant":"\\u0000","recipientId":"\\ud800"}'),
        headers: [['ce_type', Buffer.from('a\0b')]],
      },
    ],
    [
      'headers that repeat',
      {
        headers: [
          ['a', Buffer.from('1')],
          ['b', Buffer.from('2')],
          ['a', Buffer.from('3')],
          ['__proto__', Buffer.from('4')],
        ],
      },
    ],
    ['a header of a hundred kilobytes', { headers: [['ce_subject', Buffer.alloc(100_000, 'x')]] }],
    ['a tenant that is no text', { value: Buffer.from('{"tenant":{"a":1},"recipient":7}') }],
  ];

  it.each(poison)('is recorded as it is: %s', async (_, fields) => {
    const chain = fresh();
    const given = raw(1, fields);
    expect(await chain.append([raw(0), given, raw(2)])).toBe(3);
    const stored = (await chain.read())[1]!;
    expect(stored.timestampMs).toBe(given.timestamp);
    expect(stored.key).toEqual(given.key);
    expect(stored.payload?.equals(given.value ?? Buffer.from('not null')) ?? given.value === null).toBe(true);
    expect(decodeHeaders(stored.headers)).toEqual(given.headers);
    expect((await verifyAll(audit.database)).problems).toEqual([]);
  });

  it('is recorded in one large batch, which is more than one statement could hold comfortably', async () => {
    const chain = fresh();
    const megabyte = randomBytes(1024 * 1024);
    const records = Array.from({ length: 30 }, (_, i) => raw(i, { value: megabyte }));
    expect(await chain.append(records)).toBe(30);
    expect((await verifyAll(audit.database)).problems).toEqual([]);
  });
});

describe('partitions of the table', () => {
  it('are months; what is no time of ours is in the default one', async () => {
    const chain = fresh();
    const now = new Date();
    await chain.append([raw(0), raw(1, { timestamp: -1n })]);
    const rows = await audit.database.query<{ name: string }>(
      'SELECT tableoid::regclass::text AS name FROM records WHERE topic = $1 AND partition = $2 ORDER BY sequence',
      [EVENTS, partition - 1],
    );
    expect(rows.map(({ name }) => name)).toEqual([
      `records_${now.toISOString().slice(0, 7).replace('-', '_')}`,
      'records_default',
    ]);
  });

  it('are made by several replicas at once, over the end of a year, and beside rows that came too early', async () => {
    const chain = fresh();
    const january = Date.UTC(2031, 0, 15);
    await chain.append([raw(0, { timestamp: BigInt(january) })]);
    const others = [audit.database, await audit.another(), await audit.another()];
    await Promise.all(others.map((each) => each.prepareMonths(Date.UTC(2030, 10, 30))));
    const rows = await audit.database.query<{ name: string }>(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'records'::regclass AND inhrelid::regclass::text ~ '203[01]' ORDER BY 1",
    );
    expect(rows.map(({ name }) => name)).toEqual([
      'records_2030_10',
      'records_2030_11',
      'records_2030_12',
      'records_2031_02',
    ]);
    expect((await verifyAll(audit.database)).problems).toEqual([]);
  });

  it('wait neither for a long verification nor keep others from appending, and serve without', async () => {
    const chain = fresh();
    await audit.database.transaction(async (tx) => {
      await tx.query('SELECT count(*) FROM records');
      await audit.database.prepareMonths(Date.UTC(2040, 5, 15));
      expect(await chain.append(raws(0, 3))).toBe(3);
    });
    await audit.database.prepareMonths(Date.UTC(2040, 5, 15));
    const [found] = await audit.database.query<{ count: string }>(
      "SELECT count(*) FROM pg_inherits WHERE inhparent = 'records'::regclass AND inhrelid::regclass::text LIKE 'records_2040%'",
    );
    expect(found?.count).toBe('5');
  });
});
