import { createHmac } from 'node:crypto';
import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hmacSha256, SaltKeys, type SaltedPlace } from './salt.js';

const KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
const OLD = Buffer.alloc(32, 9);
const PLACE: SaltedPlace = {
  topic: 'notification.events.v1',
  partition: 5,
  epoch: 0,
  offset: 0n,
  timestampMs: 1_764_115_200_123n,
};
const salt = (keys: SaltKeys, place: Partial<SaltedPlace> = {}): string =>
  keys.saltOf({ ...PLACE, ...place }).toString('hex');

describe('salts', () => {
  it('are those of docs/audit-format.md, which another program computed', () => {
    const keys = new SaltKeys([{ key: KEY }]);
    expect(salt(keys)).toBe('f0c1d6f469dc254b755684dad5b48b4e2f63cac38db001c3a7869d70059f9674');
    expect(salt(keys, { epoch: 1, offset: 7n, timestampMs: -1n })).toBe(
      '75107632a2d9bf997a4d4a515282454d0345450b45c42066f921e788838e6bf1',
    );
    const derived = SaltKeys.derivedFrom(Buffer.from('secret'));
    expect(salt(derived, { topic: 't', partition: 0, timestampMs: 0n })).toBe(
      'be2fdb4db8f30ac14bdcb5955d16afeaad28fb26e8e4f2d3ebffe37eba11d204',
    );
  });

  it.each<Partial<SaltedPlace>>([
    { topic: 'notification.events.v2' },
    { partition: 6 },
    { epoch: 1 },
    { offset: 1n },
    { timestampMs: 0n },
  ])('differ for every other place: %o', (other) => {
    const keys = new SaltKeys([{ key: KEY }]);
    expect(salt(keys, other)).not.toBe(salt(keys));
    expect(salt(new SaltKeys([{ key: OLD }]))).not.toBe(salt(keys));
  });

  it("take the key that was in use at the record's own time, whatever the order of the list", () => {
    const from = Number(PLACE.timestampMs);
    const [before, since] = [new SaltKeys([{ key: OLD }]), new SaltKeys([{ key: KEY }])];
    for (const both of [
      [{ key: KEY, fromMs: from }, { key: OLD }],
      [{ key: OLD }, { key: KEY, fromMs: from }],
    ]) {
      const keys = new SaltKeys(both);
      expect(salt(keys)).toBe(salt(since));
      expect(salt(keys, { timestampMs: PLACE.timestampMs - 1n })).toBe(
        salt(before, { timestampMs: PLACE.timestampMs - 1n }),
      );
      expect(salt(keys, { timestampMs: -1n })).toBe(salt(before, { timestampMs: -1n }));
    }
    // When the old key was destroyed, what is older than the new one takes that: an odd timestamp must not stop the chain.
    const alone = new SaltKeys([{ key: KEY, fromMs: from }]);
    expect(salt(alone, { timestampMs: -(2n ** 63n) })).toBe(salt(since, { timestampMs: -(2n ** 63n) }));
  });

  it('refuse no key, and one of another length', () => {
    expect(() => new SaltKeys([])).toThrow(RangeError);
    expect(() => new SaltKeys([{ key: Buffer.alloc(31) }])).toThrow(RangeError);
  });
});

describe('HMAC-SHA-256', () => {
  it("is Node's own, for any key and message", () => {
    const bytes = uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
    assert(
      property(bytes, bytes, (key, message) =>
        hmacSha256(key)(message).equals(createHmac('sha256', key).update(message).digest()),
      ),
    );
  });
});
