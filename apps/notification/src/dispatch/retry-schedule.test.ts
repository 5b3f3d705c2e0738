import { describe, expect, it } from 'vitest';
import { retryDelay, retrySchedules, scheduleOf } from './retry-schedule.js';

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
    expect(retryDelay(SCHEDULE, 1, 0.999999, 90 * 86_400_000)).toBe(86_400_000);
  });

  it.each([0, 1, 500])('is not used up in no time by a provider that always says %i ms', (retryAfterMs) => {
    const schedule = [5_000, 30_000, 120_000];
    expect([1, 2, 3].map((attempts) => retryDelay(schedule, attempts, 0, retryAfterMs))).toEqual([
      retryAfterMs,
      5_000,
      30_000,
    ]);
  });

  it('does not let Retry-After prolong a schedule that is used up', () => {
    expect(retryDelay(SCHEDULE, 3, 0, 1000)).toBeUndefined();
  });
});

describe('RETRY_SCHEDULES', () => {
  const { parse } = retrySchedules('');

  it("prefers a provider's own schedule to its channel's, and that to the one for all", () => {
    const schedules = parse('email=1m,5m; mail.example.org:587=30s; log=');
    expect(scheduleOf(schedules, SCHEDULE, 'mail.example.org:587', 'email')).toEqual([30_000]);
    expect(scheduleOf(schedules, SCHEDULE, 'other:587', 'email')).toEqual([60_000, 300_000]);
    expect(scheduleOf(schedules, SCHEDULE, 'log', 'log')).toEqual([]);
    expect(scheduleOf(schedules, SCHEDULE, 'webhook', 'webhook')).toBe(SCHEDULE);
  });

  it.each(['email', '=5s', 'email=5', 'email=5s=6s', 'email=soon'])('refuses %j', (text) => {
    expect(() => parse(text)).toThrow(/must/);
  });
});
