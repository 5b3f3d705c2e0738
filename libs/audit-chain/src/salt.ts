import { createHmac, hkdfSync } from 'node:crypto';
import { encodeFields, encodeInteger } from './encoding.js';
import { SALT_BYTES } from './record.js';

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
  readonly #newestFirst: readonly SaltKey[];
  readonly #oldest: SaltKey;

  /** @throws RangeError without a key, or for a key that is not 32 bytes */
  constructor(keys: readonly SaltKey[]) {
    if (keys.some(({ key }) => key.length !== SALT_KEY_BYTES)) throw new RangeError('A salt key has 32 bytes');
    this.#newestFirst = keys.toSorted((a, b) => (b.fromMs ?? -Infinity) - (a.fromMs ?? -Infinity));
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
    const { key } =
      this.#newestFirst.find(({ fromMs }) => fromMs === undefined || timestampMs >= BigInt(fromMs)) ?? this.#oldest;
    const place = encodeFields([
      SALT_TAG,
      Buffer.from(topic),
      encodeInteger(BigInt(partition)),
      encodeInteger(BigInt(epoch)),
      encodeInteger(offset),
      encodeInteger(timestampMs),
    ]);
    return createHmac('sha256', key).update(place).digest().subarray(0, SALT_BYTES);
  }
}
