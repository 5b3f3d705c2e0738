/** ± this share of a gap is left to chance, so that what failed together does not come back together. */
const JITTER = 0.2;
/** A provider may ask for at most this long; beyond it the schedule would be the provider's to stop. */
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

/**
 * When to try again, in milliseconds from now, after `attempts` attempts have failed; undefined when the schedule is used up.
 * n gaps make n + 1 attempts. What a provider's Retry-After says is waited out in full, plus up to 20 %, and at most 24 h.
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
  if (retryAfterMs !== undefined) return Math.round(Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) * (1 + JITTER * random));
  return Math.round(gap * (1 + JITTER * (2 * random - 1)));
}
