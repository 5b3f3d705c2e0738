import { duration, type Setting } from '@bongsu/config';

/** ± this share of a gap is left to chance, so that what failed together does not come back together. */
const JITTER = 0.2;
/** A provider may ask for at most this long; beyond it the schedule would be the provider's to stop. */
export const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

/**
 * When to try again, in milliseconds from now, after `attempts` attempts have failed; undefined when the schedule is used up.
 * n gaps make n + 1 attempts. What a provider's Retry-After says is waited out in full, plus up to 20 %, and at most 24 h. It
 * brings an attempt forward by no more than one gap: a provider that is down and answers "0" or "1" each time, or a date by
 * a clock that is late, would use up a schedule of a day within seconds.
 * @param random a number in [0, 1)
 */
export function retryDelay(
  schedule: readonly number[],
  attempts: number,
  random: number,
  retryAfterMs?: number,
): number | undefined {
  const gap = schedule[attempts - 1];
  if (gap === undefined) return undefined;
  if (retryAfterMs !== undefined) {
    const asked = Math.max(retryAfterMs, schedule[attempts - 2] ?? 0) * (1 + JITTER * random);
    return Math.round(Math.min(asked, MAX_RETRY_AFTER_MS));
  }
  return Math.round(gap * (1 + JITTER * (2 * random - 1)));
}

/** Gaps between attempts, milliseconds, by the name of a channel or a provider. */
export type RetrySchedules = ReadonlyMap<string, readonly number[]>;

/** `<name>=<gap>,<gap>,…` separated by semicolons; a name alone (`log=`) means no second attempt. */
export const retrySchedules = (description: string): Setting<RetrySchedules> => ({
  description,
  fallback: '',
  parse(text) {
    const gap = duration(1)('a gap');
    const schedules = new Map<string, readonly number[]>();
    for (const entry of text.split(';').map((each) => each.trim())) {
      if (entry === '') continue;
      const [name = '', gaps, ...rest] = entry.split('=');
      if (name.trim() === '' || gaps === undefined || rest.length > 0) {
        throw new Error('must be entries such as email=1m,5m,30m;webhook=5s,30s');
      }
      const parts = gaps.split(',').map((each) => each.trim());
      schedules.set(
        name.trim(),
        parts.filter((each) => each !== '').map((each) => gap.parse(each)),
      );
    }
    return schedules;
  },
});

/** The schedule of a provider: its own, else its channel's, else the one for all. */
export const scheduleOf = (
  schedules: RetrySchedules,
  fallback: readonly number[],
  provider: string,
  channel: string,
): readonly number[] => schedules.get(provider) ?? schedules.get(channel) ?? fallback;
