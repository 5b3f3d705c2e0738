import { setTimeout as sleep } from 'node:timers/promises';

type Falsy = false | 0 | '' | null | undefined;

/**
 * Waits until the check gives something truthy and returns it; a check that throws counts as "not yet".
 * @throws an Error that says what was waited for, with the check's last error, when `timeoutMs` (default 15,000) have passed
 */
export async function waitUntil<T>(
  what: string,
  check: () => T | Promise<T>,
  { timeoutMs = 15_000, everyMs = 20 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<Exclude<T, Falsy>> {
  const end = performance.now() + timeoutMs;
  for (let cause: unknown; ;) {
    try {
      const found = await check();
      if (found) return found as Exclude<T, Falsy>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > end) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}`, { cause });
    await sleep(everyMs);
  }
}
