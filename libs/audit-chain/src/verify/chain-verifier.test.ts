import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeHeaders } from '../encoding.js';
import { labelsOf } from '../labels.js';
import { digestPayload, GENESIS, hashRecord, SALT_BYTES } from '../record.js';
import { ChainVerifier, type ChainHead, type StoredRecord } from './chain-verifier.js';

const TOPIC = 'notification.events.v1';

/** A sound chain of records with the given offsets; an offset that goes back begins a new epoch. */
function chainOf(offsets: bigint[], topic = TOPIC): { records: StoredRecord[]; head: ChainHead } {
  const records: StoredRecord[] = [];
  let previous = GENESIS;
  let epoch = 0;
  for (const [i, offset] of offsets.entries()) {
    if (i > 0 && offset <= offsets[i - 1]!) epoch++;
    const salt = randomBytes(SALT_BYTES);
    const payload = Buffer.from(JSON.stringify({ tenant: 'acme', recipientId: `user-${i}` }));
    const headers = encodeHeaders([
      ['ce_id', Buffer.from(`event-${i}`)],
      ['ce_type', Buffer.from('t.v1')],
      ['ce_subject', Buffer.from(`n-${i}`)],
    ]);
    const key = Buffer.from(`acme/user-${i}`);
    const payloadDigest = digestPayload(salt, payload);
    const hashed = {
      topic,
      partition: 3,
      sequence: BigInt(i + 1),
      offset,
      timestampMs: 1_000n + offset,
      key,
      headers,
      payloadDigest,
    };
    const hash = hashRecord(hashed, previous);
    records.push({ ...hashed, ...labelsOf(headers, payload), epoch, hash, payload, salt });
    previous = hash;
  }
  const sequence = BigInt(records.length);
  return {
    records,
    head: { topic, partition: 3, sequence, hash: previous, nextOffset: (offsets.at(-1) ?? -1n) + 1n, epoch },
  };
}

function verify(records: StoredRecord[], head: ChainHead | undefined): ChainVerifier {
  const verifier = new ChainVerifier(records[0]?.topic ?? TOPIC, 3, head);
  for (const record of records) verifier.next(record);
  verifier.end();
  return verifier;
}

const first = (verifier: ChainVerifier): [number | undefined, string | undefined] => [
  verifier.problems[0]?.sequence,
  verifier.problems[0]?.what,
];
const flipped = (bytes: Buffer): Buffer =>
  Buffer.from(bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte)));

describe('a chain that nobody touched', () => {
  it('has no problem', () => {
    const { records, head } = chainOf([0n, 1n, 2n, 3n]);
    const verifier = verify(records, head);
    expect(verifier.problems).toEqual([]);
    expect(verifier.notices).toEqual([]);
    expect(verifier.records).toBe(4);
    expect(verifier.chain).toBe(`${TOPIC}/3`);
  });

  it('may have an erased payload', () => {
    const { records, head } = chainOf([0n, 1n]);
    const erased = { ...records[0]!, payload: null, salt: null, recipient: null };
    expect(verify([erased, records[1]!], head).problems).toEqual([]);
    expect(first(verify([{ ...erased, tenant: 'other' }, records[1]!], head))[0]).toBe(1);
    expect(first(verify([{ ...erased, recipient: 'user-0' }, records[1]!], head))[0]).toBe(1);
  });

  it('notices what Kafka had deleted before it was read, and offsets that began again', () => {
    const { records, head } = chainOf([5n, 6n, 9n, 0n, 1n]);
    const { problems, notices } = verify(records, head);
    expect(problems).toEqual([]);
    expect(notices.map(({ sequence }) => sequence)).toEqual([1, 3, 4]);
  });

  it('does not notice gaps where Kafka compacts', () => {
    const { records, head } = chainOf([5n, 9n], 'access.keys.v1');
    expect(verify(records, head).notices).toEqual([]);
  });
});

describe('a chain that was tampered with', () => {
  const mutations: [keyof StoredRecord, (record: StoredRecord) => unknown][] = [
    ['offset', ({ offset }) => offset + 1n],
    ['timestampMs', ({ timestampMs }) => timestampMs - 1n],
    ['key', () => null],
    ['key', ({ key }) => flipped(key!)],
    ['headers', ({ headers }) => flipped(headers)],
    ['payload', ({ payload }) => flipped(payload!)],
    ['payload', () => null],
    ['salt', ({ salt }) => flipped(salt!)],
    ['salt', () => null],
    ['payloadDigest', ({ payloadDigest }) => flipped(payloadDigest)],
    ['hash', ({ hash }) => flipped(hash)],
    ['epoch', () => 1],
    ['eventId', () => 'another'],
    ['type', () => null],
    ['subject', () => 'n-7'],
    ['tenant', () => 'other'],
    ['recipient', () => null],
  ];
  for (const at of [0, 2, 4]) {
    it.each(mutations)(`names the record where the ${at + 1}. has another %s`, (field, mutate) => {
      const { records, head } = chainOf([0n, 1n, 2n, 3n, 4n]);
      records[at] = { ...records[at]!, [field]: mutate(records[at]!) };
      expect(first(verify(records, head))[0]).toBe(at + 1);
    });

    it(`names the place where the ${at + 1}. record was dropped`, () => {
      const { records, head } = chainOf([0n, 1n, 2n, 3n, 4n]);
      records.splice(at, 1);
      expect(first(verify(records, head))).toEqual([at + 1, expect.stringContaining('missing')]);
    });
  }

  it('names the first of two records that changed places', () => {
    const { records, head } = chainOf([0n, 1n, 2n, 3n, 4n]);
    const [second, third] = [records[1]!, records[2]!];
    records[1] = { ...third, sequence: 2n };
    records[2] = { ...second, sequence: 3n };
    expect(first(verify(records, head))[0]).toBe(2);
  });

  it('names the place of a second record in one place', () => {
    const { records, head } = chainOf([0n, 1n, 2n]);
    records.splice(2, 0, { ...records[1]!, timestampMs: 5_000n });
    expect(first(verify(records, head))[0]).toBe(2);
  });

  it.each([0n, -1n])('names a record before the first place: #%s', (sequence) => {
    const { records, head } = chainOf([0n, 1n, 2n]);
    records.unshift({ ...records[0]!, sequence });
    expect(first(verify(records, head))[0]).toBe(Number(sequence));
  });

  it('names the end where records were cut off', () => {
    const { records, head } = chainOf([0n, 1n, 2n]);
    expect(first(verify(records.slice(0, 1), head))).toEqual([2, expect.stringContaining('missing at the end')]);
    expect(first(verify([], head))[0]).toBe(1);
  });

  it('names a record that was added behind the head, well chained or not', () => {
    const { head } = chainOf([0n, 1n]);
    const { records } = chainOf([0n, 1n, 2n]);
    expect(verify(records, { ...head, hash: records[1]!.hash }).problems.map(({ sequence }) => sequence)).toContain(3);
  });

  it.each<[keyof ChainHead, unknown]>([
    ['hash', GENESIS],
    ['sequence', 2n],
    ['sequence', 4n],
    ['nextOffset', 2n],
    ['epoch', 1],
  ])('names the end where the head has another %s', (field, value) => {
    const { records, head } = chainOf([0n, 1n, 2n]);
    expect(verify(records, { ...head, [field]: value }).problems).toHaveLength(1);
  });

  it('says so when there is no head', () => {
    const { records } = chainOf([0n, 1n]);
    expect(first(verify(records, undefined))).toEqual([1, expect.stringContaining('not listed')]);
  });

  it('does not report what merely follows from the first bad record', () => {
    const { records, head } = chainOf([0n, 1n, 2n, 3n, 4n]);
    records[2] = { ...records[2]!, offset: 77n };
    expect(verify(records, head).problems).toHaveLength(1);
  });

  it('keeps the list of findings short and counts them all', () => {
    const { records, head } = chainOf(Array.from({ length: 500 }, (_, i) => BigInt(i)));
    for (const record of records) Object.assign(record, { type: 'x' });
    const verifier = verify(records, head);
    expect(verifier.problems).toHaveLength(100);
    expect(verifier.problemCount).toBe(500);
  });
});
