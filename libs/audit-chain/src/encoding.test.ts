import { array, assert, integer, oneof, property, string, tuple, uint8Array, constant, bigInt } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFields, decodeHeaders, encodeFields, encodeHeaders, encodeInteger, type Field } from './encoding.js';

const bytes = uint8Array({ maxLength: 12 }).map((array) => Buffer.from(array));
const field = oneof({ weight: 5, arbitrary: bytes }, constant(null), constant(Buffer.from([255, 255, 255, 255])));
const fields = array(field, { maxLength: 6 });
const same = (a: readonly Field[], b: readonly Field[]): boolean =>
  a.length === b.length && a.every((each, i) => (each === null || b[i] === null ? each === b[i] : each.equals(b[i]!)));
const parts = (...texts: string[]): Buffer => encodeFields(texts.map((text) => Buffer.from(text)));

describe('encoding of fields', () => {
  it('gives back what was encoded, so that no two lists of fields are the same bytes', () => {
    assert(
      property(fields, (list) => same(decodeFields(encodeFields(list)), list)),
      { numRuns: 2_000 },
    );
  });

  it('never gives the same bytes for two different lists', () => {
    assert(
      property(fields, fields, (a, b) => same(a, b) === encodeFields(a).equals(encodeFields(b))),
      { numRuns: 2_000 },
    );
  });

  it('tells apart fields that only differ in where one ends', () => {
    expect(parts('ab', 'c')).not.toEqual(parts('a', 'bc'));
    expect(parts('abc')).not.toEqual(parts('abc', ''));
  });

  it('tells no bytes from null', () => {
    expect(encodeFields([null]).toString('hex')).toBe('ffffffff');
    expect(encodeFields([Buffer.alloc(0)]).toString('hex')).toBe('00000000');
  });

  it('refuses bytes that it cannot have written', () => {
    expect(() => decodeFields(Buffer.from('00000005aabb', 'hex'))).toThrow(RangeError);
    expect(() => decodeFields(Buffer.from('0000', 'hex'))).toThrow(RangeError);
  });

  it('keeps every 64 bit integer apart', () => {
    const anyInt64 = bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    assert(property(anyInt64, (value) => encodeInteger(value).readBigInt64BE() === value));
    expect(() => encodeInteger(2n ** 63n)).toThrow(RangeError);
  });
});

describe('encoding of headers', () => {
  const name = oneof(string({ unit: 'grapheme', maxLength: 8 }), constant('__proto__'), integer().map(String));
  const headers = array(tuple(name, oneof(bytes, constant(null))), { maxLength: 6 });

  it('keeps the order, repeated names and null values', () => {
    const given: [string, Buffer | null][] = [
      ['b', Buffer.from([0xff, 0xfe])],
      ['a', null],
      ['b', Buffer.alloc(0)],
      ['__proto__', Buffer.from('x')],
    ];
    expect(decodeHeaders(encodeHeaders(given))).toEqual(given);
  });

  it('gives back any headers', () => {
    assert(
      property(headers, (list) => {
        expect(decodeHeaders(encodeHeaders(list))).toEqual(list);
      }),
    );
  });

  it('refuses a header without a value or a name', () => {
    expect(() => decodeHeaders(encodeFields([Buffer.from('a')]))).toThrow(RangeError);
    expect(() => decodeHeaders(encodeFields([null, Buffer.from('a')]))).toThrow(RangeError);
  });
});
