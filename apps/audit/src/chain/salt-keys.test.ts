import { optional, readSettings, SettingsError } from '@bongsu/config';
import { createLogger } from '@bongsu/observability';
import { describe, expect, it } from 'vitest';
import { saltKeys, saltKeysOf } from './salt-keys.js';

const SPEC = { AUDIT_SALT_KEY: optional(saltKeys('what salts are derived with')) };
const read = (text: string) => readSettings(SPEC, { AUDIT_SALT_KEY: text }).AUDIT_SALT_KEY;
const KEY = Buffer.alloc(32, 0xfb);
const OLD = 'ab'.repeat(32);

describe('AUDIT_SALT_KEY', () => {
  it('is 32 bytes, hexadecimal or base64 of either alphabet', () => {
    for (const text of [KEY.toString('hex'), KEY.toString('base64'), KEY.toString('base64url')])
      expect(read(text)).toEqual([{ key: KEY }]);
    expect(read('')).toBeUndefined();
  });

  it('may list several, and says from when on each is in use', () => {
    expect(read(`${KEY.toString('base64')}@2026-12-01T09:00:00+09:00, ${OLD}`)).toEqual([
      { key: KEY, fromMs: Date.UTC(2026, 11, 1) },
      { key: Buffer.from(OLD, 'hex') },
    ]);
  });

  it.each(['short', OLD.slice(2), `${OLD}@yesterday`, `${OLD}@2026-13-01T00:00:00Z`, `${OLD},${OLD}`, `${OLD},`])(
    'is refused, and not repeated: %s',
    (text) => {
      expect(() => read(text)).toThrow(SettingsError);
      expect(() => read(text)).not.toThrow(text);
    },
  );

  it('is made from the signing key when it is missing, and random when that is missing too', () => {
    const place = { topic: 't', partition: 0, epoch: 0, offset: 0n, timestampMs: 0n };
    const logger = createLogger('audit', 'silent');
    const secret = Buffer.from('secret');
    expect(saltKeysOf(undefined, secret, logger).saltOf(place)).toEqual(
      saltKeysOf(undefined, secret, logger).saltOf(place),
    );
    expect(saltKeysOf(undefined, undefined, logger).saltOf(place)).not.toEqual(
      saltKeysOf(undefined, undefined, logger).saltOf(place),
    );
    const given = saltKeysOf(read(OLD), secret, logger);
    expect(given.saltOf(place)).not.toEqual(saltKeysOf(undefined, secret, logger).saltOf(place));
  });
});
