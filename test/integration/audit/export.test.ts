import { ChainVerifier, type StoredRecord } from '@bongsu/audit-chain';
import { newNotificationId, TOPICS } from '@bongsu/contracts';
import { waitUntil } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditBench, get, OPERATOR, request } from './bench.js';

interface Line {
  kind: 'record' | 'gap';
  topic: string;
  partition: number;
  sequence: number;
  offset: number;
  epoch: number;
  timestampMs: string;
  key: string | null;
  headers: string;
  payload: string | null;
  salt: string | null;
  payloadDigest: string;
  hash: string;
  eventId: string | null;
  type: string | null;
  notification: string | null;
  tenant: string | null;
  recipient: string | null;
}

const COUNT = 300;
let bench: AuditBench;
let url: string;
beforeAll(async () => {
  bench = await AuditBench.start();
  ({ url } = await bench.replica());
  const sent = Array.from({ length: COUNT }, (_, i) => request(newNotificationId(), 'acme', `user-${i}`));
  await Promise.all(sent.map((record) => bench.producer.send(record)));
  const { name: topic } = TOPICS.requests.normal;
  await bench.producer.sendRaw([{ topic, partition: 0, key: null, value: null, headers: {} }]);
  await waitUntil(
    'all records',
    async () => Number((await get(url, '/v1/audit/verify')).body['records']) === COUNT + 1,
  );
});
afterAll(() => bench.end());

async function exported(query = ''): Promise<Line[]> {
  const answer = await fetch(`${url}/v1/audit/export${query}`, { headers: { authorization: `Bearer ${OPERATOR}` } });
  expect(answer.headers.get('content-type')).toContain('application/x-ndjson');
  const lines = (await answer.text()).split('\n');
  expect(lines.pop()).toBe('');
  // Each export is itself on record, and may be in the next one.
  return lines.map((line) => JSON.parse(line) as Line).filter(({ topic }) => topic !== TOPICS.accessLog.name);
}

const base64 = (text: string): Buffer => Buffer.from(text, 'base64');
const recordOf = (line: Line): StoredRecord => ({
  ...line,
  subject: line.notification,
  sequence: BigInt(line.sequence),
  offset: BigInt(line.offset),
  timestampMs: BigInt(line.timestampMs),
  key: line.key === null ? null : base64(line.key),
  headers: base64(line.headers),
  payload: line.payload === null ? null : base64(line.payload),
  salt: line.salt === null ? null : base64(line.salt),
  payloadDigest: Buffer.from(line.payloadDigest, 'hex'),
  hash: Buffer.from(line.hash, 'hex'),
});

describe('an export', () => {
  it('has everything that verifying takes, chain by chain', async () => {
    const lines = await exported();
    expect(lines).toHaveLength(COUNT + 1);
    const heads = (await get(url, '/v1/audit/chains')).body.data;
    for (const [chain, ofChain] of Map.groupBy(lines, ({ topic, partition }) => `${topic}/${partition}`)) {
      const verifier = new ChainVerifier(ofChain[0]!.topic, ofChain[0]!.partition);
      for (const line of ofChain) verifier.next(recordOf(line));
      expect(verifier.problems).toEqual([]);
      const head = heads.find((each) => each['chain'] === chain);
      expect([ofChain.at(-1)!.hash, ofChain.at(-1)!.sequence]).toEqual([head!['hash'], head!['sequence']]);
    }
  });

  it('may be of one chain', async () => {
    const lines = await exported(`?chain=${encodeURIComponent('notification.requests.normal.v1/0')}`);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.every(({ partition }) => partition === 0)).toBe(true);
    expect(lines.map(({ sequence }) => sequence)).toEqual(lines.map((_, i) => i + 1));
    expect(await exported('?chain=nothing')).toEqual([]);
  });

  it('may be gone on with where it broke off', async () => {
    const chain = `?chain=${encodeURIComponent('notification.requests.normal.v1/1')}`;
    const whole = await exported(chain);
    for (const after of [0, 1, 57, whole.length - 1, whole.length]) {
      expect(await exported(`${chain}&after=${after}`)).toEqual(whole.slice(after));
    }
  });
});
