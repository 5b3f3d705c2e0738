import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fastRecordEncoding, type EncodeRecord, type RecordInput } from './record-encoding.js';
import { encodedBytes } from '../producer/record.js';

// This file loads kafkajs' own before anything could replace it.
const original = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/record/v0/index.js') as EncodeRecord;
const unused: EncodeRecord = () => {
  throw new Error('fell back');
};
const fast = fastRecordEncoding(unused);
const differs = (input: RecordInput): boolean => !fast(input).buffer.equals(original(input).buffer);

const text = fc.string({ unit: 'grapheme' });
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));
const value = fc.oneof(text, bytes);

describe('fastRecordEncoding', () => {
  it('writes what kafkajs writes, byte for byte', () => {
    const record = fc.record({
      offsetDelta: fc.nat({ max: 100_000 }),
      key: fc.oneof(value, fc.constant(null)),
      value: fc.oneof(value, fc.constant(null)),
      headers: fc.dictionary(text, fc.oneof(value, fc.array(value, { maxLength: 3 })), { maxKeys: 12 }),
    });
    const differing = fc.sample(record, 2_000).filter(differs);
    expect(differing).toEqual([]);
  });

  it.each([0, 1, 63, 64, 8_191, 8_192, 1_048_575, 1_048_576, 3_000_000])('agrees for a value of %i bytes', (length) => {
    const large = { key: 'k', value: Buffer.alloc(length, 7) };
    const late = {
      offsetDelta: length,
      key: null,
      value: 'v',
      headers: { long: 'ü'.repeat(Math.min(length, 10_000)) },
    };
    expect([large, late].filter(differs)).toEqual([]);
  });

  it('leaves to kafkajs what it does not know', () => {
    expect(() => fast({ timestampDelta: 5, value: 'v' })).toThrow('fell back');
    expect(() => fast({ value: 'v', headers: { a: undefined } })).toThrow('fell back');
  });
});

describe('encodedBytes', () => {
  it('is what a record takes, and at most three bytes more', () => {
    const outgoing = fc.record({
      topic: fc.constant('t'),
      partition: fc.constant(0),
      key: fc.oneof(bytes, fc.constant(null)),
      value: fc.oneof(bytes, fc.constant(null)),
      headers: fc.dictionary(text, fc.oneof(value, fc.array(value, { maxLength: 3 })), { maxKeys: 12 }),
    });
    fc.assert(
      fc.property(outgoing, fc.nat({ max: 499 }), (record, offsetDelta) => {
        const taken = original({ ...record, offsetDelta }).buffer.length;
        expect(encodedBytes(record) - taken).toBeGreaterThanOrEqual(0);
        expect(encodedBytes(record) - taken).toBeLessThanOrEqual(4);
      }),
    );
  });
});
