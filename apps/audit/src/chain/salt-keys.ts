import { randomBytes } from 'node:crypto';
import { SALT_KEY_BYTES, SaltKeys, type SaltKey } from '@bongsu/audit-chain';
import type { Setting } from '@bongsu/config';
import type { Logger } from '@bongsu/observability';

/** `<key>` or `<key>@<time>`; 32 bytes as 64 hexadecimal digits or in base64, and when its use begins (RFC 3339). */
const ENTRY = /^(?:([0-9a-f]{64})|([A-Za-z0-9+/_-]{43}=?))(?:@(\d{4}-\d\d-\d\dT[\d:.]{5,15}(?:Z|[+-]\d\d:\d\d)))?$/i;

/** Keys that salts are derived with, comma-separated; docs/adr/0011 says how they are changed and when one may be destroyed. */
export const saltKeys = (description: string): Setting<readonly SaltKey[]> => ({
  description,
  fallback: undefined,
  secret: true,
  parse(text) {
    const keys = text.split(',').map((entry) => saltKey(entry.trim()));
    if (keys.filter(({ fromMs }) => fromMs === undefined).length > 1)
      throw new Error('has two keys without a time: say with @ from when on the newer one is in use');
    return keys;
  },
});

function saltKey(entry: string): SaltKey {
  const [, hex, base64, from] = ENTRY.exec(entry) ?? [];
  const key = hex === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(hex, 'hex');
  const fromMs = from === undefined ? undefined : Date.parse(from);
  if (key.length !== SALT_KEY_BYTES || Number.isNaN(fromMs))
    throw new Error('must be 32 bytes each, hexadecimal or base64, the newer ones followed by @ and an RFC 3339 time');
  return { key, ...(fromMs === undefined ? {} : { fromMs }) };
}

/**
 * The keys of the settings, else one made from the signing key, else one for this process alone: every record is still
 * salted, only a store that is rebuilt from Kafka would then have other hashes.
 * @param signingSecret the private part of the signing key
 */
export function saltKeysOf(
  given: readonly SaltKey[] | undefined,
  signingSecret: Buffer | undefined,
  logger: Logger,
): SaltKeys {
  if (given) return new SaltKeys(given);
  if (signingSecret) {
    logger.warn('There is no AUDIT_SALT_KEY: salts are derived from AUDIT_SIGNING_KEY, and change when that does');
    return SaltKeys.derivedFrom(signingSecret);
  }
  logger.warn('There is no AUDIT_SALT_KEY: salts are random, and a store rebuilt from Kafka will have other hashes');
  return new SaltKeys([{ key: randomBytes(SALT_KEY_BYTES) }]);
}
