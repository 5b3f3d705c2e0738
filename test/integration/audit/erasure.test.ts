import { setTimeout as sleep } from 'node:timers/promises';
import { encodeEvent, newEventId, RECIPIENT_ERASED, TOPICS, type RawRecord } from '@bongsu/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { LOCK_CHAINS } from '../../../apps/audit/src/chain/sql/lock-chain.js';
import { Eraser } from '../../../apps/audit/src/erasure/eraser.js';
import { freshAudit, logger, raw, salts, verifyAll, type AuditDatabase } from './database.js';

const { name: REQUESTS } = TOPICS.requests.normal;
const { name: EVENTS } = TOPICS.events;
const { name: COMMANDS } = TOPICS.commands;
const { name: DIRECTORY } = TOPICS.recipients;
/** When the person was erased. */
const AT = Date.UTC(2026, 10, 20, 12);
const SECRET = 'kim@example.org';

let audit: AuditDatabase;
let appender: Appender;
let eraser: Eraser;
let asked: number;
let now: number;
beforeEach(async () => {
  audit = await freshAudit();
  asked = 0;
  appender = new Appender(audit.database, salts, logger, () => asked++);
  now = AT;
  eraser = new Eraser(audit.database, logger, () => now);
});
afterEach(() => audit.close());

/** A record about a notification of a recipient, `after` milliseconds after the erasure. */
const about = (offset: number, recipientId: string | undefined, notification: string, after: number): RawRecord =>
  raw(offset, {
    key: Buffer.from(`acme/${recipientId ?? 'kim'}`),
    value: Buffer.from(JSON.stringify({ tenant: 'acme', recipientId, text: `mail ${SECRET}` })),
    timestamp: BigInt(AT + after),
    headers: [
      ['ce_id', Buffer.from(`e-${offset}`)],
      ['ce_type', Buffer.from('bongsu.delivery.delivered.v1')],
      ['ce_subject', Buffer.from(notification)],
    ],
  });

const erasureOf = (offset: number, recipientId: string): RawRecord => {
  const data = {
    erasureId: newEventId(),
    tenant: 'acme',
    recipientId,
    erasedAt: new Date(AT).toISOString(),
    apiKeyId: 'k',
  };
  const { key, value, headers } = encodeEvent(TOPICS.recipients, `acme/${recipientId}`, {
    id: data.erasureId,
    source: '/bongsu/api',
    type: RECIPIENT_ERASED,
    subject: data.erasureId,
    time: data.erasedAt,
    data,
  });
  return {
    topic: DIRECTORY,
    partition: 0,
    offset: BigInt(offset),
    timestamp: BigInt(AT + 1),
    key: Buffer.from(key),
    value,
    headers: Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)] as const),
  };
};

interface Row {
  readonly topic: string;
  readonly offset: number;
  readonly erased: boolean;
  readonly hash: string;
}
const rows = (): Promise<Row[]> =>
  audit.database.query<Row>(
    `SELECT topic, "offset"::integer, salt IS NULL AND payload IS NULL AND recipient IS NULL AS erased, encode(hash, 'hex') AS hash
     FROM records ORDER BY topic, "offset"`,
  );
const erased = async (): Promise<[string, number][]> =>
  (await rows()).filter((row) => row.erased).map(({ topic, offset }) => [topic, offset]);

async function fillAndErase(): Promise<void> {
  await appender.append(REQUESTS, 0, [
    about(0, 'kim', 'n-1', -9_000),
    about(1, 'lee', 'n-2', -8_000),
    about(2, 'kim', 'n-3', 5_000),
  ]);
  // A fact that came after the erasure, of what was accepted before; one of another's; one of what was accepted after.
  await appender.append(EVENTS, 0, [
    about(0, 'kim', 'n-1', -7_000),
    about(1, 'kim', 'n-1', 9_000),
    about(2, 'lee', 'n-2', 0),
    about(3, 'kim', 'n-3', 6_000),
  ]);
  // A command says no recipient.
  await appender.append(COMMANDS, 0, [about(0, undefined, 'n-1', -6_000), about(1, undefined, 'n-2', -6_000)]);
  expect(asked).toBe(0);
  await appender.append(DIRECTORY, 0, [erasureOf(0, 'kim')]);
  expect(asked).toBe(1);
}

describe('erasing a recipient', () => {
  it('takes the payloads of everything that was accepted before, and nothing else; the chains verify with the same hashes', async () => {
    await fillAndErase();
    const before = await rows();
    expect(await eraser.sweep()).toBe(1);
    expect(await erased()).toEqual([
      [COMMANDS, 0],
      [EVENTS, 0],
      [EVENTS, 1],
      [REQUESTS, 0],
    ]);
    expect((await rows()).map(({ hash }) => hash)).toEqual(before.map(({ hash }) => hash));
    expect(await verifyAll(audit.database)).toMatchObject({ ok: true, records: 10, notices: [] });
    const [left] = await audit.database.query<{ count: string }>(
      `SELECT count(*) FROM records WHERE convert_from(payload, 'UTF8') LIKE '%${SECRET}%' AND convert_from(key, 'UTF8') = 'acme/kim' AND subject = 'n-1'`,
    );
    expect(left?.count).toBe('0');
    // That it was done is on record, and so is that it was asked for.
    const done = await audit.database.query('SELECT records FROM erasures_done');
    expect(done).toEqual([{ records: '4' }]);
    const [record] = await audit.database.query<{ payload: Buffer }>('SELECT payload FROM records WHERE type = $1', [
      RECIPIENT_ERASED,
    ]);
    expect(record!.payload.toString()).toContain('"recipientId":"kim"');
    expect(await eraser.sweep()).toBe(0);
  });

  it('counts for records that come late, and for facts about what was erased, and for nothing that is new', async () => {
    await fillAndErase();
    await eraser.sweep();
    await appender.append(REQUESTS, 0, [about(3, 'kim', 'n-4', -1_000), about(4, 'kim', 'n-5', 20_000)]);
    await appender.append(EVENTS, 0, [
      about(4, 'kim', 'n-1', 30_000),
      about(5, 'kim', 'n-4', 30_000),
      about(6, 'kim', 'n-5', 30_000),
    ]);
    expect((await erased()).slice(4 - 1)).toEqual([
      [EVENTS, 4],
      [EVENTS, 5],
      [REQUESTS, 0],
      [REQUESTS, 3],
    ]);
    expect(await verifyAll(audit.database)).toMatchObject({ ok: true, notices: [] });
    // Kafka delivers it again: it is the same record, though nobody can read it any more.
    expect(await appender.append(REQUESTS, 0, [about(3, 'kim', 'n-4', -1_000)])).toBe(0);
  });

  it('takes what came in another order: facts before the request that they are about', async () => {
    await appender.append(DIRECTORY, 0, [erasureOf(0, 'kim')]);
    await eraser.sweep();
    await appender.append(EVENTS, 0, [about(0, 'kim', 'n-1', 9_000)]);
    expect(await erased()).toEqual([]);
    await appender.append(REQUESTS, 0, [about(0, 'kim', 'n-1', -9_000)]);
    expect(await eraser.sweep()).toBe(0);
    now += 600_000;
    expect(await eraser.sweep()).toBe(1);
    expect(await erased()).toEqual([
      [EVENTS, 0],
      [REQUESTS, 0],
    ]);
  });

  it('waits for who is appending, whose records it could not see', async () => {
    const { promise: committing, resolve: commit } = Promise.withResolvers<void>();
    const appending = audit.database.transaction(async (tx) => {
      await tx.query(LOCK_CHAINS, [['somebody/0']]);
      await committing;
    });
    await appender.append(DIRECTORY, 0, [erasureOf(0, 'kim')]);
    let swept = false;
    const sweeping = eraser.sweep().then(() => (swept = true));
    await sleep(300);
    expect(swept).toBe(false);
    commit();
    await Promise.all([appending, sweeping]);
    expect(swept).toBe(true);
  });

  it('takes a record of a foreign producer, whose key does not say the tenant, and the chain verifies', async () => {
    const foreign = { ...about(0, 'kim', 'n-1', -9_000), key: null };
    await appender.append(REQUESTS, 0, [foreign, { ...about(1, 'kim', 'n-2', -9_000), key: Buffer.from([0xff]) }]);
    await appender.append(DIRECTORY, 0, [erasureOf(0, 'kim')]);
    await eraser.sweep();
    await appender.append(REQUESTS, 0, [{ ...about(2, 'kim', 'n-3', -9_000), key: null }]);
    expect(await erased()).toHaveLength(3);
    expect(await verifyAll(audit.database)).toMatchObject({ ok: true });
  });

  it('is not asked for by a record that is no erasure', async () => {
    await appender.append(DIRECTORY, 0, [{ ...erasureOf(0, 'kim'), value: Buffer.from('{}') }]);
    await appender.append(DIRECTORY, 0, [{ ...erasureOf(1, 'kim'), value: null }]);
    expect(asked).toBe(0);
    expect(await audit.database.query('SELECT 1 FROM erasures')).toEqual([]);
    expect(await verifyAll(audit.database)).toMatchObject({ ok: true });
  });
});
