import { setTimeout as delay } from 'node:timers/promises';

/**
 * Looks again and again until `check` is true; a check that throws counts as false.
 * @returns false when `timeoutMs` have passed or the signal was aborted first
 */
export async function until(
  check: () => boolean | Promise<boolean>,
  { timeoutMs, everyMs = 50, signal }: { timeoutMs: number; everyMs?: number; signal?: AbortSignal | undefined },
): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    if (signal?.aborted) return false;
    try {
      if (await check()) return true;
    } catch {
      // Not there yet.
    }
    if (performance.now() + everyMs > end) return false;
    await delay(everyMs, undefined, { ref: true }).catch(() => undefined);
  }
}
