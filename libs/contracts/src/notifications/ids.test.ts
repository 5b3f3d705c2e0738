import { describe, expect, it } from 'vitest';
import { deliveryId, derivedNotificationId, firstIdAt, idTime, isId, newEventId, newNotificationId } from './ids.js';

const DAY = 86_400_000;
const NOON = Date.parse('2026-11-21T12:00:00Z');

describe('ids', () => {
  it('begin with their time, so that ranges of ids are ranges of time', () => {
    const before = Date.now();
    const id = newNotificationId();
    expect(idTime(id)).toBeGreaterThanOrEqual(before);
    expect(idTime(id)).toBeLessThanOrEqual(Date.now());
    expect(idTime(firstIdAt(NOON))).toBe(NOON);
    expect(firstIdAt(before) <= id && id < firstIdAt(Date.now() + 1)).toBe(true);
  });

  it('are UUIDs of version 7 that grow, also across many and within a millisecond, and never repeat', () => {
    const ids = Array.from({ length: 2_000 }, (_, i) => (i % 2 === 0 ? newNotificationId() : newEventId()));
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids.map((id) => id.slice(-10))).size).toBe(ids.length);
  });

  it('derive the same id for the same tenant and key within a window, and only then', () => {
    const id = derivedNotificationId('a', 'k', DAY, NOON);
    expect(derivedNotificationId('a', 'k', DAY, NOON + 3_600_000)).toBe(id);
    const others = [
      derivedNotificationId('b', 'k', DAY, NOON),
      derivedNotificationId('a', 'l', DAY, NOON),
      derivedNotificationId('a', 'k', DAY, NOON + DAY),
      // No separator may be forged: tenant and key must not run into one another.
      derivedNotificationId('a\0k', '', DAY, NOON),
    ];
    expect(new Set([id, ...others]).size).toBe(5);
  });

  it('derive UUIDs of version 8 in the window of the key', () => {
    const id = derivedNotificationId('a', 'k', DAY, NOON);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(idTime(id)).toBe(Date.parse('2026-11-21T00:00:00Z'));
  });

  it('give each channel a delivery of its own, in the time of its notification', () => {
    const id = newNotificationId();
    expect(deliveryId(id, 'email')).toBe(deliveryId(id, 'email'));
    expect(deliveryId(id, 'email')).not.toBe(deliveryId(id, 'webhook'));
    expect(idTime(deliveryId(id, 'email'))).toBe(idTime(id));
  });

  it.each(['', 'x', '018F0000-0000-7000-8000-000000000000', "1' OR '1'='1", '{018f0000-0000-7000-8000-000000000000}'])(
    'take %j for no id',
    (text) => expect(isId(text)).toBe(false),
  );
});
