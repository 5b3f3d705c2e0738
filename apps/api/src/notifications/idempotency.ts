import { BongsuError, derivedNotificationId } from '@bongsu/contracts';
import { LRUCache } from 'lru-cache';
import type { Reservation, Reservations } from './reservations.js';

/**
 * There are many: a hash that is a string is 50 bytes, where a Buffer keeps the 8 KB from the whole of Node's pool that it is a part
 * of, and a time that is a number is none at all beside a Date.
 */
interface Remembered {
  readonly notificationId: string;
  /** `asText` of the body's hash. */
  readonly bodyHash: string;
  /** Milliseconds since 1970. */
  readonly acceptedAt: number;
  readonly expiresAt: number;
  /** Kafka has acknowledged the record, as far as this process knows. */
  acknowledged: boolean;
  /** Somebody has been answered 202 before, as far as can be known. */
  answered: boolean;
}

export interface OnceOutcome {
  readonly notificationId: string;
  readonly acceptedAt: Date;
  readonly replayed: boolean;
}

const MAX_REMEMBERED = 50_000;

/**
 * Makes one notification of all requests with one Idempotency-Key. Its id is derived from tenant and key, so that without
 * any memory the same key gives the same id within a window; the reservation in the database makes the window slide and
 * tells another body from the same one; what this process remembers serves while the database is away
 * (docs/adr/0006-idempotency.md).
 */
export class Idempotency {
  private readonly reservations: Pick<Reservations, 'reserve'>;
  private readonly windowMs: number;
  private readonly now: () => number;
  private readonly remembered = new LRUCache<string, Remembered>({ max: MAX_REMEMBERED });
  private readonly underWay = new Map<string, Promise<unknown>>();

  constructor(options: { reservations: Pick<Reservations, 'reserve'>; windowMs: number; now?: () => number }) {
    this.reservations = options.reservations;
    this.windowMs = options.windowMs;
    this.now = options.now ?? Date.now;
  }

  /**
   * Runs `produce` unless the key's record is known to be in Kafka. Requests with the same key wait for one another, so
   * that the second sees the first one's outcome. Throws idempotency_key_reused, and what `produce` throws; the key then
   * stays with its body, and the next request with it tries again.
   * @param now when it was asked for, milliseconds since 1970, where that is known from a record: one that is read again
   *   much later then has the same id again
   */
  async once(
    tenant: string,
    key: string,
    bodyHash: Buffer,
    produce: (notificationId: string, acceptedAt: Date) => Promise<void>,
    now: number = this.now(),
  ): Promise<OnceOutcome> {
    const slot = `${tenant}\0${key}`;
    for (let before = this.underWay.get(slot); before; before = this.underWay.get(slot))
      await before.catch(() => undefined);
    const attempt = this.attempt(slot, tenant, key, bodyHash, produce, now);
    this.underWay.set(slot, attempt);
    try {
      return await attempt;
    } finally {
      this.underWay.delete(slot);
    }
  }

  private async attempt(
    slot: string,
    tenant: string,
    key: string,
    bodyHash: Buffer,
    produce: (notificationId: string, acceptedAt: Date) => Promise<void>,
    now: number,
  ): Promise<OnceOutcome> {
    const entry = this.recall(slot) ?? (await this.reserve(slot, tenant, key, bodyHash, now));
    if (entry.bodyHash !== asText(bodyHash)) {
      throw new BongsuError('idempotency_key_reused', 'This Idempotency-Key was used with another body');
    }
    const replayed = entry.answered;
    const acceptedAt = new Date(entry.acceptedAt);
    if (!entry.acknowledged) {
      await produce(entry.notificationId, acceptedAt);
      entry.acknowledged = true;
    }
    entry.answered = true;
    return { notificationId: entry.notificationId, acceptedAt, replayed };
  }

  private recall(slot: string): Remembered | undefined {
    const entry = this.remembered.get(slot);
    return entry && entry.expiresAt > this.now() ? entry : undefined;
  }

  private async reserve(slot: string, tenant: string, key: string, bodyHash: Buffer, now: number): Promise<Remembered> {
    const asked: Reservation = {
      notificationId: derivedNotificationId(tenant, key, this.windowMs, now),
      bodyHash,
      acceptedAt: new Date(now),
      expiresAt: new Date(now + this.windowMs),
    };
    const reserved = await this.reservations.reserve(tenant, key, asked);
    const { notificationId, acceptedAt, expiresAt } = reserved ?? asked;
    const entry: Remembered = {
      notificationId,
      bodyHash: asText(reserved?.bodyHash ?? bodyHash),
      acceptedAt: acceptedAt.getTime(),
      expiresAt: expiresAt.getTime(),
      // A key that was free in the database may still have been used while that was away: `known` says so.
      acknowledged: reserved?.known ?? false,
      answered: reserved !== undefined && (!reserved.fresh || reserved.known),
    };
    this.remembered.set(slot, entry);
    return entry;
  }
}

const asText = (hash: Buffer): string => hash.toString('latin1');
