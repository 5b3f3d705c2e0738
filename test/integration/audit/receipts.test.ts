import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  hashLeaf,
  hashRecord,
  KeyRing,
  parseExportLine,
  privateKey,
  splitNotes,
  VerifierKey,
  verifyInclusion,
} from '@bongsu/audit-chain';
import { newNotificationId, TOPICS } from '@bongsu/contracts';
import { waitUntil } from '@bongsu/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Receipt } from '../../../apps/audit/src/checkpoints/receipts.js';
import type { AuditSettings } from '../../../apps/audit/src/settings.js';
import { AuditBench, get, keyChange, OPERATOR, request } from './bench.js';

const TENANT_KEY = 'acme-key-0123456789-0123456789-0123456789';
const OTHER_KEY = 'other-key-123456789-0123456789-0123456789';
const OFTEN = { records: Number.POSITIVE_INFINITY, ms: 200 };
const NEVER = { records: Number.POSITIVE_INFINITY, ms: 86_400_000 };
const keyOf = (letter: string) => privateKey(Buffer.alloc(32, letter).toString('base64'));

let bench: AuditBench;
let folder: string;
let file: string;
beforeAll(async () => {
  bench = await AuditBench.start();
  folder = mkdtempSync(join(tmpdir(), 'bongsu-receipts-'));
  file = join(folder, 'checkpoints');
});
afterAll(async () => {
  await bench.end();
  rmSync(folder, { recursive: true });
});

const signing = (letter: string, more: Partial<AuditSettings> = {}) =>
  bench.replica({
    AUDIT_SIGNING_KEY: keyOf(letter),
    AUDIT_CHECKPOINT_EVERY: OFTEN,
    AUDIT_CHECKPOINT_FILE: file,
    ...more,
  });
const keysOf = async (url: string): Promise<string[]> =>
  ((await get(url, '/v1/audit/keys')).body as unknown as { keys: string[] }).keys;
const receiptOf = async (url: string, id: string): Promise<Receipt> => {
  let body: unknown;
  const asked = async (): Promise<boolean> => {
    const answer = await get(url, `/v1/audit/receipts/${id}`);
    ({ body } = answer);
    return answer.status === 200;
  };
  await waitUntil('the receipt', asked, { timeoutMs: 30_000 });
  return body as Receipt;
};

/** What a stranger does with the receipt and one key that he was given. */
function whyNot({ checkpoints, entries, notificationId }: Receipt, key: string): string | undefined {
  const ring = new KeyRing(VerifierKey.parse(key));
  ring.learn(checkpoints);
  for (const { previousHash, inclusionProof, checkpoint, ...line } of entries) {
    const record = parseExportLine(JSON.stringify(line));
    const signed = ring.open(checkpoint);
    if ('refused' in signed) return signed.why;
    if (record.subject !== notificationId) return 'another notification';
    if (!hashRecord(record, Buffer.from(previousHash, 'hex')).equals(record.hash)) return 'another record';
    const proof = inclusionProof.map((each) => Buffer.from(each, 'base64'));
    const [leaf, index] = [hashLeaf(record.hash), Number(record.sequence) - 1];
    if (signed.topic !== record.topic || !verifyInclusion({ leaf, index, size: signed.size, proof, root: signed.root }))
      return 'no proof';
  }
  return undefined;
}

async function byPython(receipt: Receipt, key: string): Promise<{ code: number; text: string }> {
  const path = join(folder, 'receipt.json');
  writeFileSync(path, JSON.stringify(receipt));
  const args = ['verifier/bongsu_verify.py', '--receipt', path, '--key', key];
  return await promisify(execFile)('python3', args).then(
    ({ stdout }) => ({ code: 0, text: stdout }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      text: error.stdout + error.stderr,
    }),
  );
}

it('gives receipts that hold without the service, through a change of keys, and signs what it says to Kafka', async () => {
  const id = newNotificationId();
  await bench.producer.send(keyChange(TENANT_KEY, 'key-1', { tenant: 'acme' }));
  await bench.producer.send(keyChange(OTHER_KEY, 'key-2', { tenant: 'other' }));
  await bench.producer.sendAll([
    request(newNotificationId(), 'acme', 'user-1'),
    request(id, 'acme', 'user-1'),
    request(newNotificationId(), 'acme', 'user-1'),
  ]);

  // Not signed yet, and without a key, never.
  const unsigned = await signing('1', { AUDIT_CHECKPOINT_EVERY: NEVER });
  const path = `/v1/audit/receipts/${id}`;
  const status = async (): Promise<number> => (await get(unsigned.url, path)).status;
  await waitUntil('the record', async () => (await status()) !== 404, { timeoutMs: 30_000 });
  const refusal = await fetch(`${unsigned.url}${path}`, { headers: { authorization: `Bearer ${OPERATOR}` } });
  expect([refusal.status, refusal.headers.get('retry-after'), await refusal.json()]).toMatchObject([
    409,
    '86401',
    { code: 'not_yet_signed' },
  ]);
  for (const [wrong, expected] of [
    [newNotificationId(), 404],
    ['%00', 400],
    [`${id}?x=1`, 400],
  ] as const)
    expect((await get(unsigned.url, `/v1/audit/receipts/${wrong}`)).status).toBe(expected);
  await unsigned.stop();
  const keyless = await bench.replica();
  expect([await keysOf(keyless.url), (await get(keyless.url, path)).status]).toEqual([[], 409]);
  await keyless.stop();

  const signed = await signing('1');
  const receipt = await receiptOf(signed.url, id);
  const [firstKey = ''] = await keysOf(signed.url);
  expect(receipt).toMatchObject({
    format: 'bongsu-audit-receipt-v1',
    notificationId: id,
    keys: [firstKey],
    checkpoints: [],
  });
  expect(receipt.entries).toHaveLength(1);
  expect(receipt.entries[0]).toMatchObject({ tenant: 'acme', recipient: 'user-1', topic: TOPICS.requests.normal.name });
  expect(whyNot(receipt, firstKey)).toBeUndefined();
  expect(await byPython(receipt, firstKey)).toMatchObject({ code: 0 });
  const forged = JSON.parse(JSON.stringify(receipt).replace('user-1', 'user-2')) as Receipt;
  expect(await byPython(forged, firstKey)).toMatchObject({ code: 1 });

  // Whose it is sees it, others do not even that it is there; and that it was read is on record.
  await waitUntil('both keys', async () => (await get(signed.url, path, OTHER_KEY)).status !== 401);
  expect((await get(signed.url, path, TENANT_KEY)).status).toBe(200);
  expect((await get(signed.url, path, OTHER_KEY)).status).toBe(404);
  const reads = async (): Promise<number> => {
    const rows = await bench.database.database.query<{ payload: Buffer }>(
      "SELECT payload FROM records WHERE type = 'bongsu.audit.read.v1'",
    );
    return rows.filter(({ payload }) => payload.includes('/receipts/:notificationId') && payload.includes(id)).length;
  };
  await waitUntil('the reading', async () => (await reads()) >= 3, { timeoutMs: 30_000 });

  // What went to Kafka is itself recorded, and is what the store and the file have.
  const chain = `${TOPICS.requests.normal.name}/${receipt.entries[0]!.partition}`;
  const listed = (await get(signed.url, `/v1/audit/checkpoints?chain=${chain}`)).body.data;
  expect(listed[0]).toMatchObject({ chain, size: 3, note: receipt.entries[0]!.checkpoint });
  expect([...splitNotes(readFileSync(file, 'utf8'))]).toContain(receipt.entries[0]!.checkpoint);
  const published = async () =>
    (
      await bench.database.database.query<{ payload: Buffer; key: Buffer; type: string }>(
        'SELECT payload, key, type FROM records WHERE topic = $1 AND key = $2',
        [TOPICS.checkpoints.name, Buffer.from(chain)],
      )
    ).map((row) => [row.type, row.payload.toString()]);
  await waitUntil('the checkpoint in its own chain', async () => (await published()).length > 0, { timeoutMs: 30_000 });
  expect(await published()).toEqual([['bongsu.audit.checkpoint.v1', receipt.entries[0]!.checkpoint]]);
  await signed.stop();

  // The key changes: who has the first key follows, as does who has the second alone.
  const rotated = await signing('2', { AUDIT_PREVIOUS_SIGNING_KEY: keyOf('1') });
  await bench.producer.send(request(id, 'acme', 'user-1'));
  const announced = async (): Promise<boolean> => {
    const { checkpoints, entries } = await receiptOf(rotated.url, id);
    return checkpoints.length === 1 && entries.length === 2;
  };
  await waitUntil('the announcement', announced, { timeoutMs: 30_000 });
  const [secondKey = '', ...before] = await keysOf(rotated.url);
  expect(before).toEqual([firstKey]);
  await rotated.stop();
  const later = await signing('2');
  await bench.producer.send(request(id, 'acme', 'user-1'));
  await waitUntil('the third record', async () => (await receiptOf(later.url, id)).entries.length === 3, {
    timeoutMs: 30_000,
  });
  const last = await receiptOf(later.url, id);
  for (const key of [firstKey, secondKey]) {
    expect(whyNot(last, key)).toBeUndefined();
    expect(await byPython(last, key)).toMatchObject({ code: 0 });
  }
  const strange = new KeyRing().keys; // nobody
  expect([strange, whyNot({ ...last, checkpoints: [] }, firstKey)]).toEqual([[], expect.stringContaining('no key')]);
  expect((await get(later.url, '/v1/audit/verify')).body).toMatchObject({ ok: true, problems: [] });

  // Pages of the list, one by one, are the list.
  const pages: unknown[] = [];
  for (let cursor = ''; ;) {
    const { data, nextCursor } = (await get(later.url, `/v1/audit/checkpoints?limit=1${cursor}`)).body;
    pages.push(...data);
    if (nextCursor === null) break;
    cursor = `&cursor=${nextCursor}`;
  }
  const whole = (await get(later.url, '/v1/audit/checkpoints?limit=100')).body;
  expect(whole.nextCursor).toBeNull();
  expect(whole.data.slice(-pages.length)).toEqual(pages);
  expect(pages.length).toBeGreaterThan(4);
  for (const wrong of ['chain=x', 'chain=a/b', 'cursor=x', 'limit=0', 'limit=101', 'size=3'])
    expect((await get(later.url, `/v1/audit/checkpoints?${wrong}`)).status).toBe(400);
}, 120_000);
