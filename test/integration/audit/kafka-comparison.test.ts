import { generateKeyPairSync } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CheckpointBook, KafkaComparison, verifyStore, VerifierKey, type VerifyReport } from '@bongsu/audit-chain';
import { newNotificationId, TOPICS } from '@bongsu/contracts';
import { KafkaRecords } from '@bongsu/kafka';
import { waitUntil } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditBench, get, OPERATOR, request } from './bench.js';
import { logger } from './database.js';
import { deleteRecords } from './kafka-retention.js';

const COUNT = 40;
const { name: TOPIC } = TOPICS.requests.normal;
const VERIFIER = new URL('../../../verifier/bongsu_verify.py', import.meta.url).pathname;

let bench: AuditBench;
let url: string;
let key: string;
const ids = Array.from({ length: COUNT }, () => newNotificationId());
beforeAll(async () => {
  bench = await AuditBench.start();
  ({ url } = await bench.replica({
    AUDIT_SIGNING_KEY: generateKeyPairSync('ed25519').privateKey,
    AUDIT_CHECKPOINT_EVERY: { records: 1_000, ms: 200 },
  }));
  await Promise.all(ids.map((id, i) => bench.producer.send(request(id, 'acme', `user-${i}`))));
  await waitUntil('all records', async () => Number((await get(url, '/v1/audit/verify')).body['records']) >= COUNT);
  [key] = (await get(url, '/v1/audit/keys')).body['keys'] as unknown as [string];
});
afterAll(() => bench.end());

/** Compares the store, as somebody changed it for the moment, with Kafka. */
async function compared(change = 'SELECT 1'): Promise<VerifyReport & { compared: number }> {
  const kafka = new KafkaRecords({ settings: bench.settings, logger });
  const comparison = new KafkaComparison((topic, partition) => kafka.read(topic, partition));
  let report: (VerifyReport & { compared: number }) | undefined;
  const undo = new Error('undo');
  try {
    await bench.database.owner.transaction(async (tx) => {
      await tx.query(change);
      const found = await verifyStore(
        (work) => work((sql, values) => tx.query(sql, values)),
        new CheckpointBook([VerifierKey.parse(key)]),
        async (page) => {
          for (const record of page) await comparison.next(record);
        },
      );
      report = await comparison.addedTo(found);
      throw undo;
    });
  } catch (error) {
    if (error !== undo) throw error;
  } finally {
    kafka.close();
  }
  return report!;
}

describe('comparing with Kafka', () => {
  it('finds everything that was recorded as it is there', async () => {
    const report = await compared();
    expect(report.problems).toEqual([]);
    expect(report.compared).toBeGreaterThanOrEqual(COUNT);
  });

  it.each([
    ['timestamp', `timestamp_ms = timestamp_ms + 1`],
    ['key', `key = 'other'`],
    ['headers', `headers = ''`],
    ['value', `payload = 'other'`],
  ])('names a record that has another %s', async (what, change) => {
    const where = `topic = '${TOPIC}' AND partition = 1 AND sequence = 5`;
    const { ok, problems } = await compared(`UPDATE records SET ${change} WHERE ${where}`);
    expect(ok).toBe(false);
    const found = problems.filter((problem) => problem.what.startsWith('Kafka has another record'));
    expect(found).toMatchObject([{ chain: `${TOPIC}/1`, sequence: 5 }]);
    expect(found[0]?.what).toContain(what);
  });

  it('names a record that was left out, and does not miss what was erased', async () => {
    const where = `topic = '${TOPIC}' AND partition = 1`;
    const { problems } = await compared(`DELETE FROM records WHERE ${where} AND sequence = 5`);
    expect(problems).toContainEqual(
      expect.objectContaining({
        chain: `${TOPIC}/1`,
        sequence: 6,
        what: expect.stringContaining('offset 4') as string,
      }),
    );
    const erased = await compared(
      `UPDATE records SET payload = NULL, salt = NULL, recipient = NULL WHERE ${where} AND sequence < 9`,
    );
    expect(erased.problems).toEqual([]);
  });
});

describe('a receipt', () => {
  it('is verified by the independent verifier, and no other', async () => {
    const id = ids[3]!;
    await waitUntil('the receipt', async () => (await get(url, `/v1/audit/receipts/${id}`)).status === 200);
    const { body } = await get(url, `/v1/audit/receipts/${id}`);
    const folder = await mkdtemp(join(tmpdir(), 'bongsu-receipt-'));
    const path = join(folder, 'receipt.json');
    const verdict = async (receipt: unknown): Promise<number> => {
      await writeFile(path, JSON.stringify(receipt));
      const run = promisify(execFile)('python3', [VERIFIER, '--receipt', path, '--key', key]);
      return await run.then(
        () => 0,
        (error: { code: number }) => error.code,
      );
    };
    const [entry] = body['entries'] as unknown as [Record<string, unknown>];
    expect(await verdict(body)).toBe(0);
    const proof = entry['inclusionProof'] as string[];
    for (const change of [
      { payload: 'AA==' },
      { sequence: Number(entry['sequence']) + 1 },
      { previousHash: '00'.repeat(31) + '01' },
      { inclusionProof: proof.slice(1) },
      { inclusionProof: proof.with(0, Buffer.alloc(32).toString('base64')) },
      { checkpoint: (entry['checkpoint'] as string).replace(/^chain .*\n/m, '') },
      { notification: 'another' },
    ]) {
      expect([change, await verdict({ ...body, entries: [{ ...entry, ...change }] })]).toEqual([change, 1]);
    }
    await rm(folder, { recursive: true });
  });
});

describe('a service with a key', () => {
  it('vouches for its export, and goes on to verify when Kafka has forgotten', async () => {
    const answer = await fetch(`${url}/v1/audit/export`, { headers: { authorization: `Bearer ${OPERATOR}` } });
    const [first = ''] = (await answer.text()).split('\n');
    expect((JSON.parse(first) as { checkpoints: string[] }).checkpoints.length).toBeGreaterThan(0);
    const report = (await get(url, '/v1/audit/verify')).body as unknown as VerifyReport;
    expect(report).toMatchObject({ ok: true, problems: [] });
    expect(report.checkpoints).toBeGreaterThan(0);
    await deleteRecords(bench.settings, TOPIC);
    const after = await compared();
    expect(after.problems).toEqual([]);
    expect(after.compared).toBeLessThan(after.records);
  });
});
