import { describe, expect, it } from 'vitest';
import { judge, type Evidence } from './oracle.js';
import type { Call } from './provider.js';

const call = (notificationId: string, startedAt: number, more: Partial<Call> = {}): Call => ({
  deliveryId: `d-${notificationId}`,
  notificationId,
  key: 'user',
  startedAt,
  endedAt: startedAt + 10,
  status: 204,
  ...more,
});

/** a, b and c of one recipient, all well; b was tried twice. */
function well(): {
  -readonly [K in keyof Evidence]: Evidence[K] extends ReadonlyMap<infer I, infer V>
    ? Map<I, V>
    : Evidence[K] extends ReadonlySet<infer I>
      ? Set<I>
      : Call[];
} {
  const ids = ['a', 'b', 'c'];
  return {
    accepted: new Map<string, readonly string[]>([['user', ids]]),
    log: new Set(ids),
    ledger: new Map(ids.map((id) => [id, { deliveries: 1, delivered: 1 }])),
    audit: new Map(ids.map((id) => [id, { records: 1, different: 1 }])),
    calls: [call('a', 0), call('b', 20, { status: 500 }), call('b', 40), call('c', 60)],
  };
}

const broken = (change: (evidence: ReturnType<typeof well>) => void, mayRepeat = 0) => {
  const evidence = well();
  change(evidence);
  return judge(evidence, mayRepeat);
};

describe('the oracle', () => {
  it('finds nothing where nothing is', () => {
    expect(judge(well(), 0)).toEqual({ accepted: 3, lost: 0, duplicated: 0, reordered: 0, problems: [] });
  });

  it.each([
    ['the log', (e: ReturnType<typeof well>) => e.log.delete('b')],
    ['the ledger', (e: ReturnType<typeof well>) => e.ledger.delete('b')],
    ['the audit', (e: ReturnType<typeof well>) => e.audit.delete('b')],
    ['the provider', (e: ReturnType<typeof well>) => e.calls.splice(2, 1)],
    ['the ended ones', (e: ReturnType<typeof well>) => e.ledger.set('b', { deliveries: 1, delivered: 0 })],
  ])('finds what is missing in %s', (_, change) => {
    const verdict = broken(change);
    expect(verdict.lost).toBe(1);
    expect(verdict.problems.join()).toContain('such as b');
  });

  it('finds what nobody was told of, and is in the log and not in the ledger', () => {
    expect(broken(({ log }) => log.add('x')).lost).toBe(1);
  });

  it('finds what is there twice', () => {
    expect(broken(({ ledger }) => ledger.set('b', { deliveries: 2, delivered: 1 })).duplicated).toBe(1);
    expect(broken(({ audit }) => audit.set('b', { records: 2, different: 1 })).duplicated).toBe(1);
    const again = ({ calls }: ReturnType<typeof well>): unknown => calls.push(call('a', 80));
    expect(broken(again).problems).toHaveLength(1);
    expect(broken(again, 1)).toMatchObject({ duplicated: 1, problems: [] });
  });

  it('finds another delivery id in a repeated attempt', () => {
    expect(
      broken(({ calls }) => (calls[1] = call('b', 20, { status: 500, deliveryId: 'other' }))).problems,
    ).toHaveLength(1);
  });

  it('finds first attempts out of order, and does not mind what nobody was told of', () => {
    expect(broken((e) => (e.calls = e.calls.toReversed())).reordered).toBeGreaterThan(0);
    const unknown = broken(({ calls, log, ledger }) => {
      calls.splice(1, 0, call('x', 12, { endedAt: 18 }));
      log.add('x');
      ledger.set('x', { deliveries: 1, delivered: 1 });
    });
    expect(unknown).toMatchObject({ reordered: 0, problems: [] });
  });

  it('finds attempts of one recipient that overlap', () => {
    expect(broken(({ calls }) => (calls[0] = call('a', 0, { endedAt: 30 }))).reordered).toBe(1);
  });
});
