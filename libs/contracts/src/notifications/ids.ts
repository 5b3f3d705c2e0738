import { hash, randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

/**
 * Every id begins with 48 bits of time (milliseconds), as UUIDv7 does, also the derived ones (UUIDv8): tables are
 * partitioned by ranges of the id, so that a primary key over the id alone dedupes exactly and old partitions can be dropped.
 */

/** A new notification's id: UUIDv7, RFC 9562. */
export const newNotificationId = (): string => nextId();

/** A new event's id: UUIDv7. */
export const newEventId = (): string => nextId();

/** Drawn for many ids at once: a call for each was 4 % of the time that accepting and delivering take. */
const random = Buffer.alloc(16 * 256);
let drawn = random.length;
let lastMs = 0;
let counter = 0;

/** Ids of one process grow, by a counter within the millisecond that begins at random (RFC 9562, section 6.2, method 1). */
function nextId(): string {
  if (drawn === random.length) {
    randomFillSync(random);
    drawn = 0;
  }
  const bytes = random.subarray(drawn, (drawn += 16));
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    counter = bytes.readUInt32BE(6) >>> 1;
  } else if (++counter > 0xffff_ffff) {
    lastMs++;
    counter = 0;
  }
  return v7({ random: bytes, msecs: lastMs, seq: counter });
}

/**
 * The longest window of an Idempotency-Key, milliseconds. A derived id is as much older than its notification as the window
 * is long, so what remembers ids must remember them this much longer than Kafka keeps the records.
 */
export const LONGEST_IDEMPOTENCY_WINDOW_MS = 7 * 86_400_000;

/**
 * The id of a notification sent with an Idempotency-Key: the same (tenant, key) within the same window gives the same id,
 * on any replica and without a database, so that everything downstream dedupes by primary key.
 * @param windowMs length of the idempotency window in milliseconds; `now` in milliseconds since 1970.
 */
export function derivedNotificationId(tenant: string, key: string, windowMs: number, now: number): string {
  const start = Math.floor(now / windowMs) * windowMs;
  return derive(start, `${tenant}\0${key}\0${start}`);
}

/** A delivery is a notification in one channel; its id is the same in every attempt and on every service. */
export function deliveryId(notificationId: string, channel: string): string {
  return derive(idTime(notificationId), `${notificationId}\0${channel}`);
}

/** The time in an id, milliseconds since 1970. */
export function idTime(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The smallest id of a moment: the bound between two range partitions. */
export function firstIdAt(ms: number): string {
  const time = ms.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}

/** RFC 9562, section 5.8 (UUIDv8): 48 bits of time, then bits of a SHA-256. */
function derive(ms: number, source: string): string {
  const time = ms.toString(16).padStart(12, '0');
  const digest = hash('sha256', source, 'hex');
  const variant = ((Number.parseInt(digest[3]!, 16) & 0x3) | 0x8).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-8${digest.slice(0, 3)}-${variant}${digest.slice(4, 7)}-${digest.slice(8, 20)}`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a string from outside is an id in our one spelling (lower case, with dashes). */
export const isId = (value: string): boolean => UUID.test(value);
