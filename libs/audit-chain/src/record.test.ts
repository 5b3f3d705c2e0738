import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodeHeaders } from './encoding.js';
import { digestPayload, GENESIS, hashRecord, type HashedRecord } from './record.js';

interface Vector {
  kind: 'record' | 'gap';
  topic: string;
  partition: number;
  sequence: number;
  offset: number;
  timestampMs: string;
  key: string | null;
  headers: [string, string | null][];
  encodedHeaders: string;
  salt: string;
  payload: string | null;
  payloadDigest: string;
  previous: string;
  hash: string;
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const bytesOrNull = (hex: string | null): Buffer | null => (hex === null ? null : bytes(hex));

/** The vectors that docs/audit-format.md publishes; they were computed by a program that shares no line with this one. */
function published(): Vector[] {
  const page = readFileSync(new URL('../../../docs/audit-format.md', import.meta.url), 'utf8');
  const json = /```json\n(.*?)\n```/s.exec(page)?.[1];
  return JSON.parse(json ?? '[]') as Vector[];
}

const hashed = (vector: Vector): HashedRecord => ({
  kind: vector.kind,
  topic: vector.topic,
  partition: vector.partition,
  sequence: BigInt(vector.sequence),
  offset: BigInt(vector.offset),
  timestampMs: BigInt(vector.timestampMs),
  key: bytesOrNull(vector.key),
  headers: bytes(vector.encodedHeaders),
  payloadDigest: bytes(vector.payloadDigest),
});

describe('the published test vectors', () => {
  const vectors = published();

  it('are there', () => {
    expect(vectors).toHaveLength(4);
    expect(vectors[0]?.previous).toBe(GENESIS.toString('hex'));
    expect(vectors[1]?.previous).toBe(vectors[0]?.hash);
  });

  it.each(vectors)('hold for record $sequence', (vector) => {
    const headers = encodeHeaders(vector.headers.map(([name, value]) => [name, bytesOrNull(value)]));
    expect(headers.toString('hex')).toBe(vector.encodedHeaders);
    expect(digestPayload(bytes(vector.salt), bytesOrNull(vector.payload)).toString('hex')).toBe(vector.payloadDigest);
    expect(hashRecord(hashed(vector), bytes(vector.previous)).toString('hex')).toBe(vector.hash);
  });
});

describe('the hash of a record', () => {
  const record = hashed(published()[0]!);
  const other = bytes('ff'.repeat(32));

  it.each<[string, HashedRecord]>([
    ['kind', { ...record, kind: 'gap' }],
    ['topic', { ...record, topic: 'notification.events.v2' }],
    ['partition', { ...record, partition: 6 }],
    ['sequence', { ...record, sequence: 2n }],
    ['offset', { ...record, offset: 1n }],
    ['timestamp', { ...record, timestampMs: 0n }],
    ['key', { ...record, key: other }],
    ['absence of a key', { ...record, key: null }],
    ['headers', { ...record, headers: Buffer.alloc(0) }],
    ['payload digest', { ...record, payloadDigest: other }],
  ])('depends on the %s', (_, changed) => {
    expect(hashRecord(changed, GENESIS)).not.toEqual(hashRecord(record, GENESIS));
  });

  it('depends on the hash before', () => {
    expect(hashRecord(record, other)).not.toEqual(hashRecord(record, GENESIS));
  });
});

describe('the digest of a payload', () => {
  const salt = bytes('01'.repeat(32));
  it('tells no payload from an empty one, and depends on the salt', () => {
    expect(digestPayload(salt, null)).not.toEqual(digestPayload(salt, Buffer.alloc(0)));
    expect(digestPayload(salt, null)).not.toEqual(digestPayload(bytes('02'.repeat(32)), null));
  });
});
