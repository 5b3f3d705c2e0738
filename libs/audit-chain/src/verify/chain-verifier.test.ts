import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeHeaders } from '../encoding.js';
import { labelsOf } from '../labels.js';
import { digestPayload, GENESIS, hashRecord, SALT_BYTES } from '../record.js';
import { GAP_HEADERS, gapPayload } from '../gap.js';
import { ChainVerifier, type StoredRecord } from './chain-verifier.js';

const TOPIC = 'notification.events.v1';

/** A sound chain of records with the given offsets; an offset that goes back begins a new epoch. Without gap records. */
function chainOf(offsets: bigint[], topic = TOPIC): StoredRecord[] {
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
      kind: 'record' as const,
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
  return records;
}

/** The chain 0, 1, then (offsets 2 to 8 are gone) 9 behind a gap record, then (the topic was made anew) 4 behind another. */
function withGaps(): StoredRecord[] {
  const records = chainOf([0n, 1n, 8n, 9n, 3n, 4n]);
  const breaks = [
    { at: 2, kind: 'gap' as const, expected: 2n, got: 9n },
    { at: 4, kind: 'reset' as const, expected: 10n, got: 4n },
  ];
  for (const { at, ...found } of breaks) {
    const payload = gapPayload(found);
    const said = { kind: 'gap' as const, key: null, headers: GAP_HEADERS, payload };
    const record = { ...records[at]!, ...said, payloadDigest: digestPayload(records[at]!.salt!, payload) };
    records[at] = { ...record, ...labelsOf(GAP_HEADERS, payload) };
  }
  return rechained(records);
}

/** As one who owns the store would do after a change: every hash computed again. */
function rechained(records: readonly StoredRecord[]): StoredRecord[] {
  let previous = GENESIS;
  return records.map((record) => ({ ...record, hash: (previous = hashRecord(record, previous)) }));
}

function verify(records: readonly StoredRecord[]): ChainVerifier {
  const verifier = new ChainVerifier(records[0]?.topic ?? TOPIC, 3);
  for (const record of records) verifier.next(record);
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
    const records = chainOf([0n, 1n, 2n, 3n]);
    const verifier = verify(records);
    expect(verifier.problems).toEqual([]);
    expect(verifier.notices).toEqual([]);
    expect(verifier.records).toBe(4);
    expect(verifier.chain).toBe(`${TOPIC}/3`);
  });

  it('may have an erased payload', () => {
    const records = chainOf([0n, 1n]);
    const erased = { ...records[0]!, payload: null, salt: null, recipient: null };
    expect(verify([erased, records[1]!]).problems).toEqual([]);
    expect(first(verify([{ ...erased, tenant: 'other' }, records[1]!]))[0]).toBe(1);
    expect(first(verify([{ ...erased, recipient: 'user-0' }, records[1]!]))[0]).toBe(1);
  });

  it('notices what Kafka had deleted before it was read, and offsets that began again', () => {
    const records = chainOf([5n, 6n, 9n, 0n, 1n]);
    const { problems, notices } = verify(records);
    expect(problems).toEqual([]);
    expect(notices.map(({ sequence }) => sequence)).toEqual([1, 3, 4]);
    expect(notices.every(({ what }) => what.includes('without a gap record'))).toBe(true);
  });

  it('says by gap records what was left out', () => {
    const { problems, notices } = verify(withGaps());
    expect(problems).toEqual([]);
    expect(notices.map(({ sequence, what }) => [sequence, what])).toEqual([
      [3, 'offsets 2 to 8 were gone from Kafka before they could be recorded'],
      [5, 'offsets began again at 4 instead of 10: the topic was made anew'],
    ]);
  });

  it('does not notice gaps where Kafka compacts', () => {
    const records = chainOf([5n, 9n], 'access.keys.v1');
    expect(verify(records).notices).toEqual([]);
  });
});

describe('a gap record that was made up', () => {
  const because = (payload: Buffer) => ({ payload, salt: null, payloadDigest: Buffer.alloc(32) });
  it.each<[string, Partial<StoredRecord>]>([
    ['tells of another gap', because(gapPayload({ kind: 'gap', expected: 1n, got: 9n }))],
    ['tells of a reset', because(gapPayload({ kind: 'reset', expected: 2n, got: 9n }))],
    ['says the same otherwise', because(Buffer.from('{"kind":"gap", "expectedOffset":"2","offset":"9"}'))],
    ['says nothing', because(Buffer.from('{}'))],
    ['was erased', { payload: null, salt: null }],
    ['has a key', { key: Buffer.from('k') }],
    ['has other headers', { headers: encodeHeaders([]) }],
    ['stands where nothing is missing', { offset: 1n }],
    ['is in another epoch', { epoch: 1 }],
  ])('is named, however well it is chained: one that %s', (_, change) => {
    const records = withGaps();
    records[2] = { ...records[2]!, ...change };
    expect(first(verify(rechained(records)))[0]).toBe(3);
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
      const records = chainOf([0n, 1n, 2n, 3n, 4n]);
      records[at] = { ...records[at]!, [field]: mutate(records[at]!) };
      expect(first(verify(records))[0]).toBe(at + 1);
    });

    it(`names the place where the ${at + 1}. record was dropped`, () => {
      const records = chainOf([0n, 1n, 2n, 3n, 4n, 5n]);
      records.splice(at, 1);
      expect(first(verify(records))).toEqual([at + 1, expect.stringContaining('missing')]);
    });
  }

  it('names the first of two records that changed places', () => {
    const records = chainOf([0n, 1n, 2n, 3n, 4n]);
    const [second, third] = [records[1]!, records[2]!];
    records[1] = { ...third, sequence: 2n };
    records[2] = { ...second, sequence: 3n };
    expect(first(verify(records))[0]).toBe(2);
  });

  it('names the place of a second record in one place', () => {
    const records = chainOf([0n, 1n, 2n]);
    records.splice(2, 0, { ...records[1]!, timestampMs: 5_000n });
    expect(first(verify(records))[0]).toBe(2);
  });

  it.each([0n, -1n])('names a record before the first place: #%s', (sequence) => {
    const records = chainOf([0n, 1n, 2n]);
    records.unshift({ ...records[0]!, sequence });
    expect(first(verify(records))[0]).toBe(Number(sequence));
  });

  it('does not report what merely follows from the first bad record', () => {
    const records = chainOf([0n, 1n, 2n, 3n, 4n]);
    records[2] = { ...records[2]!, offset: 77n };
    expect(verify(records).problems).toHaveLength(1);
  });

  it('keeps the list of findings short and counts them all', () => {
    const records = chainOf(Array.from({ length: 500 }, (_, i) => BigInt(i)));
    for (const record of records) Object.assign(record, { type: 'x' });
    const verifier = verify(records);
    expect(verifier.problems).toHaveLength(100);
    expect(verifier.problemCount).toBe(500);
  });
});
