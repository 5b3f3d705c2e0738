import { describe, expect, it } from 'vitest';
import { retryDelay } from './retry-schedule.js';

const SCHEDULE = [1000, 5000];

describe('retryDelay', () => {
  it('follows the schedule: n gaps, then nothing', () => {
    expect([1, 2, 3].map((attempts) => retryDelay(SCHEDULE, attempts, 0.5))).toEqual([1000, 5000, undefined]);
  });

  it('spreads a gap by 20 % to either side', () => {
    expect(retryDelay(SCHEDULE, 1, 0)).toBe(800);
    expect(retryDelay(SCHEDULE, 1, 0.999999)).toBe(1200);
  });

  it('waits out what the provider asked for, never less and at most a day', () => {
    expect(retryDelay(SCHEDULE, 1, 0, 30_000)).toBe(30_000);
    expect(retryDelay(SCHEDULE, 1, 0.999999, 30_000)).toBe(36_000);
    expect(retryDelay(SCHEDULE, 1, 0, 90 * 86_400_000)).toBe(86_400_000);
  });

  it('does not let Retry-After prolong a schedule that is used up', () => {
    expect(retryDelay(SCHEDULE, 3, 0, 1000)).toBeUndefined();
  });
});
