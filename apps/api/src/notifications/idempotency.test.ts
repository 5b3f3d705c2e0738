import { BongsuError } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import { Idempotency } from './idempotency.js';
import type { Reservation, ReservedKey } from './reservations.js';

const HOUR = 3_600_000;
const A = Buffer.from('body a');
const B = Buffer.from('body b');

/** What the database does, in memory; `away` makes it answer nothing. */
class Rows {
  away = false;
  known = new Set<string>();
  readonly rows = new Map<string, Reservation>();
  readonly reserve = async (tenant: string, key: string, asked: Reservation): Promise<ReservedKey | undefined> => {
    await Promise.resolve();
    if (this.away) return undefined;
    const held = this.rows.get(`${tenant}/${key}`);
    const free = !held || held.expiresAt <= asked.acceptedAt;
    if (free) this.rows.set(`${tenant}/${key}`, asked);
    const row = free ? asked : held;
    return { ...row, fresh: free, known: this.known.has(row.notificationId) };
  };
}

function replicas(count = 1) {
  const rows = new Rows();
  const clock = { now: Date.parse('2026-11-21T23:30:00Z') };
  const produced: string[] = [];
  const all = Array.from({ length: count }, () => {
    const idempotency = new Idempotency({ reservations: rows, windowMs: 24 * HOUR, now: () => clock.now });
    return (key: string, body = A, produce = async (id: string) => void produced.push(id)) =>
      idempotency.once('acme', key, body, produce);
  });
  return { rows, clock, produced, send: all[0]!, others: all.slice(1) };
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'accepted',
    (error: BongsuError) => error.code,
  );

describe('Idempotency', () => {
  it('makes one notification of the same request sent twice, across replicas too', async () => {
    const { send, others, produced, rows } = replicas(2);
    const first = await send('k');
    rows.known.add(first.notificationId);
    const again = await send('k');
    const elsewhere = await others[0]!('k');
    expect(first.replayed).toBe(false);
    expect([again, elsewhere]).toEqual([
      { ...first, replayed: true },
      { ...first, replayed: true },
    ]);
    expect(produced).toEqual([first.notificationId]);
  });

  it('refuses another body, here and on another replica', async () => {
    const { send, others } = replicas(2);
    await send('k', A);
    expect(await code(send('k', B))).toBe('idempotency_key_reused');
    expect(await code(others[0]!('k', B))).toBe('idempotency_key_reused');
  });

  it('joins requests that come at the same time', async () => {
    const { send, produced } = replicas();
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => send('k')));
    expect(produced).toHaveLength(1);
    expect(outcomes.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await Promise.all([code(send('other', A)), code(send('other', B))])).toEqual([
      'accepted',
      'idempotency_key_reused',
    ]);
  });

  it('tries again, with the same id, when Kafka did not acknowledge', async () => {
    const { send, produced } = replicas();
    const refused = send('k', A, () => Promise.reject(new BongsuError('kafka_unavailable')));
    expect(await code(refused)).toBe('kafka_unavailable');
    const outcome = await send('k');
    expect(outcome.replayed).toBe(false);
    expect(produced).toEqual([outcome.notificationId]);
  });

  it('produces again what another replica reserved and nobody has seen arrive', async () => {
    const { send, others, produced } = replicas(2);
    const refused = send('k', A, () => Promise.reject(new BongsuError('kafka_unavailable')));
    expect(await code(refused)).toBe('kafka_unavailable');
    const outcome = await others[0]!('k');
    expect(produced).toEqual([outcome.notificationId]);
  });

  it('gives the same id and knows the body while the database is away', async () => {
    const { rows, send, others } = replicas(2);
    rows.away = true;
    const first = await send('k');
    expect((await send('k')).replayed).toBe(true);
    expect(await code(send('k', B))).toBe('idempotency_key_reused');
    expect((await others[0]!('k')).notificationId).toBe(first.notificationId);
    rows.away = false;
    expect((await others[0]!('k')).notificationId).toBe(first.notificationId);
  });

  it('holds a key for a whole window although the derived id changes at midnight', async () => {
    const { clock, send, others } = replicas(2);
    const first = await send('k');
    clock.now += HOUR;
    expect((await others[0]!('k')).notificationId).toBe(first.notificationId);
    clock.now += 23 * HOUR;
    const next = await send('k', B);
    expect(next.notificationId).not.toBe(first.notificationId);
    expect(next.replayed).toBe(false);
  });

  it('keeps tenants apart', async () => {
    const rows = new Rows();
    const idempotency = new Idempotency({ reservations: rows, windowMs: HOUR });
    const one = await idempotency.once('a', 'k', A, async () => undefined);
    const other = await idempotency.once('b', 'k', B, async () => undefined);
    expect(other.notificationId).not.toBe(one.notificationId);
  });
});
