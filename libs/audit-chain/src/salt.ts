import { hash, hkdfSync } from 'node:crypto';
import { encodeFields, encodeInteger } from './encoding.js';

/** The first field of what is keyed: no other use of the same key can give a salt. */
const SALT_TAG = Buffer.from('bongsu-audit-salt-v1');
export const SALT_KEY_BYTES = 32;

/** Where a record is in Kafka; together with the key, all that its salt depends on. */
export interface SaltedPlace {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  readonly offset: bigint;
  /** Milliseconds since 1970, as Kafka gives it. */
  readonly timestampMs: bigint;
}

/** A salt key, and from when on it is in use; see `SaltKeys`. */
export interface SaltKey {
  readonly key: Buffer;
  /** Milliseconds since 1970; undefined for one that was always in use. */
  readonly fromMs?: number | undefined;
}

/**
 * Derives salts: HMAC-SHA-256 over the place of a record. Derived instead of random, a store that is rebuilt from Kafka
 * comes out with the same digests, and so the same hashes; to whoever lacks the key they are as good as random.
 *
 * The key of a record is chosen by its own timestamp: the newest one that begins at or before it, else the oldest. So
 * neither the time of recording nor any state of ours decides, and a rebuild chooses alike.
 */
export class SaltKeys {
  readonly #newestFirst: readonly KeyInUse[];
  readonly #oldest: KeyInUse;

  /** @throws RangeError without a key, or for a key that is not 32 bytes */
  constructor(keys: readonly SaltKey[]) {
    if (keys.some(({ key }) => key.length !== SALT_KEY_BYTES)) throw new RangeError('A salt key has 32 bytes');
    this.#newestFirst = keys
      .toSorted((a, b) => (b.fromMs ?? -Infinity) - (a.fromMs ?? -Infinity))
      .map(({ key, fromMs }) => ({ hmac: hmacSha256(key), from: fromMs === undefined ? undefined : BigInt(fromMs) }));
    const oldest = this.#newestFirst.at(-1);
    if (!oldest) throw new RangeError('There is no salt key');
    this.#oldest = oldest;
  }

  /**
   * The only key, made from another secret (HKDF, RFC 5869) for whoever keeps just that one.
   * @param secret the private signing key, as bytes
   */
  static derivedFrom(secret: Buffer): SaltKeys {
    const key = Buffer.from(hkdfSync('sha256', secret, '', 'bongsu-audit-salt-key-v1', SALT_KEY_BYTES));
    return new SaltKeys([{ key }]);
  }

  saltOf({ topic, partition, epoch, offset, timestampMs }: SaltedPlace): Buffer {
    const { hmac } = this.#newestFirst.find(({ from }) => from === undefined || timestampMs >= from) ?? this.#oldest;
    const place = encodeFields([
      SALT_TAG,
      Buffer.from(topic),
      encodeInteger(BigInt(partition)),
      encodeInteger(BigInt(epoch)),
      encodeInteger(offset),
      encodeInteger(timestampMs),
    ]);
    return hmac(place);
  }
}

interface KeyInUse {
  readonly hmac: (message: Buffer) => Buffer;
  readonly from: bigint | undefined;
}

const BLOCK_BYTES = 64;

/**
 * HMAC-SHA-256 (RFC 2104) by two one-shot hashes: a sixth of the time that `createHmac` takes for a short message, which was
 * a sixth of the time that appending a record took.
 */
export function hmacSha256(key: Buffer): (message: Buffer) => Buffer {
  const padded = Buffer.alloc(BLOCK_BYTES);
  (key.length > BLOCK_BYTES ? hash('sha256', key, 'buffer') : key).copy(padded);
  const inner = Buffer.from(padded.map((byte) => byte ^ 0x36));
  const outer = Buffer.from(padded.map((byte) => byte ^ 0x5c));
  return (message) => joined(outer, joined(inner, message));
}

const joined = (pad: Buffer, rest: Buffer): Buffer => hash('sha256', Buffer.concat([pad, rest]), 'buffer');
