import { describe, expect, it } from 'vitest';
import { Pace, restOf } from './pace.js';

describe('Pace', () => {
  it('rests not at all when nothing urgent comes', () => {
    expect(restOf(500, undefined)).toBe(0);
    expect(restOf(500, 100)).toBe(0);
  });

  it('rests so that the work has its share of the time, and not for ever', () => {
    expect(restOf(20, 25)).toBe(60);
    expect(restOf(20, 2)).toBe(980);
    expect(restOf(500, 2)).toBe(1_000);
  });

  it('leaves work the least share that it asks for', async () => {
    const pace = new Pace();
    pace.urgent(5);
    const began = performance.now();
    await pace.rest(20, 100, new AbortController().signal);
    expect(performance.now() - began).toBeLessThan(15);
  });

  it('ends a rest when it is told to stop', async () => {
    const pace = new Pace();
    pace.urgent(5);
    const stop = new AbortController();
    const rest = pace.rest(1_000, 1, stop.signal);
    stop.abort();
    await expect(rest).resolves.toBeUndefined();
    await expect(pace.rest(1_000, 1, stop.signal)).resolves.toBeUndefined();
  });
});
