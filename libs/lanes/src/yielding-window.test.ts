import { describe, expect, it } from 'vitest';
import { YieldingWindow } from './yielding-window.js';

/** Samples every 50 ms, while bulk uses all that it may have. */
function samples(window: YieldingWindow, count: number, delayMs: () => number, from = 0): number {
  let now = from;
  for (let i = 0; i < count; i++) {
    now += 50;
    window.sample(delayMs(), now, window.ceiling(now) ?? 500);
  }
  return now;
}

describe('YieldingWindow', () => {
  it('does not bind anybody before there is an urgent delivery, nor long after the last', () => {
    const window = new YieldingWindow(500);
    expect(window.ceiling(0)).toBeUndefined();
    const now = samples(window, 1, () => 5);
    expect(window.ceiling(now)).toBe(10);
    expect(window.ceiling(now + 30_001)).toBeUndefined();
  });

  it('gives back by time what no urgent one disputes: rare ones do not hold bulk down', () => {
    const window = new YieldingWindow(500);
    const now = samples(window, 1, () => 5);
    expect(window.ceiling(now + 14_000)).toBe(20);
    expect(window.changesAt(now + 14_010)).toBe(now + 14_100);
    expect(window.ceiling(now + 29_999)).toBe(43);
    expect(window.changesAt(now + 29_999)).toBe(now + 30_000);
    expect(window.changesAt(now + 30_000)).toBe(Infinity);
    // With some that are in time it goes on growing, up to all.
    expect(window.ceiling(samples(window, 2_000, () => 5, now))).toBe(500);
  });

  it('keeps only what bulk has used: what lay idle was harmless for that', () => {
    const window = new YieldingWindow(500);
    for (let now = 0; now < 60_000; now += 50) window.sample(5, now, 0);
    expect(window.ceiling(60_000)).toBe(10);
  });

  it('shrinks while urgent ones are late, never to nothing, and grows again when they are not', () => {
    const window = new YieldingWindow(500);
    const quiet = samples(window, 2_000, () => 5);
    expect(window.ceiling(quiet)).toBe(500);
    const busy = samples(window, 20, () => 200, quiet);
    expect(window.ceiling(busy)).toBe(10);
    const calm = samples(window, 400, () => 6, busy);
    expect(window.ceiling(calm)).toBeGreaterThan(20);
    expect(window.ceiling(samples(window, 1_600, () => 6, calm))).toBeGreaterThan(300);
  });

  it('grows where bulk makes no urgent one late, and settles where it does', () => {
    const late = (load: number): number => (load > 60 ? 100 : 5);
    const window = new YieldingWindow(500);
    let now = samples(window, 2_000, () => late(0));
    const seen: number[] = [];
    for (let i = 0; i < 8_000; i++) {
      const load = window.ceiling((now += 50))!;
      window.sample(late(load), now, load);
      seen.push(load);
    }
    const settled = seen.slice(2_000);
    expect(Math.max(...settled)).toBeLessThanOrEqual(61);
    expect(Math.min(...settled)).toBeGreaterThanOrEqual(29);
    expect(settled.filter((load) => load > 60).length / settled.length).toBeLessThan(1 / 130);
  });

  it('does not mind single late ones, as there are on any machine', () => {
    const window = new YieldingWindow(500);
    let n = 0;
    const now = samples(window, 2_000, () => (n++ % 10 === 0 ? 200 : 5));
    expect(window.ceiling(now)).toBe(500);
  });

  it('looks at differences only: clocks need not agree', () => {
    const [ahead, behind] = [new YieldingWindow(500), new YieldingWindow(500)];
    for (const [window, skew] of [
      [ahead, 3_600_000],
      [behind, -3_600_000],
    ] as const) {
      const quiet = samples(window, 2_000, () => skew + 5);
      expect(window.ceiling(quiet)).toBe(500);
      expect(window.ceiling(samples(window, 20, () => skew + 100, quiet))).toBe(10);
    }
  });

  it('neither stops bulk nor lets it take everything when the clock is set back', () => {
    const window = new YieldingWindow(500);
    const now = samples(window, 1, () => 5);
    expect(window.ceiling(now - 1)).toBe(10);
    expect(window.ceiling(now - 10_000)).toBeGreaterThanOrEqual(10);
    // What was said in what is now the future holds no longer than anything else.
    expect(window.ceiling(now - 3_600_000)).toBeUndefined();
    expect(window.changesAt(now - 3_600_000)).toBe(Infinity);
    const back = samples(window, 2_000, () => 5, now - 3_600_000);
    expect(window.ceiling(back)).toBe(500);
    expect(window.ceiling(samples(window, 20, () => 200, back))).toBe(10);
  });

  it('takes a slower machine for normal after a while', () => {
    const window = new YieldingWindow(500);
    const now = samples(window, 100, () => 5);
    const later = samples(window, 15_000, () => 60, now);
    expect(window.ceiling(later)).toBe(500);
  });

  it('leaves bulk at least one slot of a few', () => {
    const window = new YieldingWindow(2);
    const now = samples(window, 1, () => 5);
    expect(window.ceiling(samples(window, 100, () => 500, now))).toBe(1);
  });
});
