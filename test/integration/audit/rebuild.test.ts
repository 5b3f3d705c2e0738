import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodeEvent,
  newEventId,
  newNotificationId,
  notificationKey,
  RECIPIENT_ERASED,
  TOPICS,
} from '@bongsu/contracts';
import { waitUntil } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createServiceDatabase, superuserOf } from '../../../tools/stack/postgres-database.js';
import { AuditBench, get, keyChange, OPERATOR, request } from './bench.js';
import { deleteRecords } from './kafka-retention.js';

const COUNT = 400;
let bench: AuditBench;
let folder: string;
let before: Row[];
let exported: string;

interface Row {
  readonly place: string;
  readonly hash: string;
  readonly erased: boolean;
}

beforeAll(async () => {
  bench = await AuditBench.start();
  folder = await mkdtemp(join(tmpdir(), 'bongsu-rebuild-'));
  const { url, stop } = await bench.replica();
  const sent = Array.from({ length: COUNT }, (_, i) => request(newNotificationId(), 'acme', `user-${i % 20}`));
  await bench.producer.sendAll(sent);
  const { name: topic } = TOPICS.commands;
  await bench.producer.sendRaw([
    { topic, partition: 0, key: null, value: randomBytes(200), headers: {} },
    { topic, partition: 0, key: Buffer.from('k'), value: null, headers: {} },
  ]);
  await bench.producer.send(keyChange('acme-key-0123456789-0123456789-0123456789', 'key-1', {}));
  await waitUntil('all is recorded', async () => (await rows()).length === COUNT + 3);
  await bench.producer.send(erasure('user-7'));
  await waitUntil('the erasure', async () => (await rows()).filter(({ erased }) => erased).length === COUNT / 20);
  exported = await exportAll(url);
  // The reading of the export is on record, too.
  await waitUntil('its record', async () => (await rows()).length === COUNT + 5);
  before = await rows();
  await stop();
}, 120_000);
afterAll(async () => {
  await bench.end();
  await rm(folder, { recursive: true, force: true });
});

function erasure(recipientId: string) {
  const data = {
    erasureId: newEventId(),
    tenant: 'acme',
    recipientId,
    erasedAt: new Date().toISOString(),
    apiKeyId: 'k',
  };
  return encodeEvent(TOPICS.recipients, notificationKey('acme', recipientId), {
    id: data.erasureId,
    source: '/bongsu/api',
    type: RECIPIENT_ERASED,
    subject: data.erasureId,
    time: data.erasedAt,
    data,
  });
}

const rows = (): Promise<Row[]> =>
  bench.database.owner.query<Row>(
    `SELECT topic || '/' || partition || '#' || sequence || '@' || "offset" || ' ' || kind AS place,
       encode(hash, 'hex') AS hash, payload IS NULL AND salt IS NULL AS erased
     FROM audit.records ORDER BY topic, partition, sequence`,
  );

async function exportAll(url: string): Promise<string> {
  const answer = await fetch(`${url}/v1/audit/export`, { headers: { authorization: `Bearer ${OPERATOR}` } });
  const file = join(folder, `${randomBytes(4).toString('hex')}.ndjson`);
  await writeFile(file, await answer.text());
  return file;
}

/** As an operator does who has lost it: the schema is gone, and the roles' script makes it anew, empty. */
async function dropStore(): Promise<void> {
  await bench.database.owner.query('DROP SCHEMA audit CASCADE');
  const database = new URL(bench.database.url).pathname.slice(1);
  await createServiceDatabase(superuserOf(inject('bongsu').postgresUrl), database);
}

/** What the store has when a replica has filled it again, and what verifying says. */
async function filledAgain(
  more: Parameters<AuditBench['replica']>[0] = {},
): Promise<{ rows: Row[]; report: Record<string, unknown> }> {
  const { url, stop } = await bench.replica(more);
  await waitUntil('all is back', async () => (await rows()).length >= before.length, { timeoutMs: 60_000 });
  await waitUntil(
    'the erasure is back',
    async () => (await rows()).filter(({ erased }) => erased).length >= COUNT / 20,
  );
  const filled = { rows: await rows(), report: (await get(url, '/v1/audit/verify')).body };
  await stop();
  return filled;
}

const asBefore = () => ({ rows: before, report: { ok: true, records: before.length, notices: [] } });

describe('a store that was dropped', () => {
  it('comes back from Kafka with the same hashes, and without what was erased', async () => {
    await dropStore();
    expect(await filledAgain()).toMatchObject(asBefore());
  }, 120_000);

  it('comes back from a backup that is older than what was read from Kafka', async () => {
    const late = (sequence: string): Promise<unknown> =>
      bench.database.owner.query(`DELETE FROM audit.records WHERE sequence > ${sequence}`);
    await late('50');
    expect(await filledAgain()).toMatchObject(asBefore());
  }, 120_000);

  it('comes back from an export alone, where Kafka has forgotten; an interrupted import goes on', async () => {
    await deleteRecords(bench.settings, TOPICS.requests.normal.name);
    await dropStore();
    expect(await filledAgain({ AUDIT_IMPORT: [exported] })).toMatchObject(asBefore());
    await bench.database.owner.query('DELETE FROM audit.records WHERE sequence > 120');
    expect(await filledAgain({ AUDIT_IMPORT: [exported] })).toMatchObject(asBefore());
    // Without it, the chain says that something was before.
    await dropStore();
    const { stop } = await bench.replica();
    await bench.producer.sendAll(Array.from({ length: 20 }, (_, i) => request(newNotificationId(), 'acme', `u-${i}`)));
    await waitUntil('a gap record', async () => (await rows()).some(({ place }) => place.includes('gap')));
    await stop();
  }, 180_000);

  it.each<[string, (lines: string[]) => string[], RegExp]>([
    ['a changed record', (lines) => lines.with(5, lines[5]!.replace('"epoch":0', '"epoch":1')), /line 6:/],
    ['a record that is missing', (lines) => lines.toSpliced(30, 1), /line 31: .*missing/],
    ['no record', (lines) => lines.with(2, '{}'), /line 3:/],
  ])('refuses an export with %s', async (_, change, what) => {
    await dropStore();
    const file = join(folder, 'changed.ndjson');
    await writeFile(file, `${change((await readFile(exported, 'utf8')).trimEnd().split('\n')).join('\n')}\n`);
    await expect(bench.replica({ AUDIT_IMPORT: [file] })).rejects.toThrow(what);
  });
});
