/** Where randomness and time come from, so that a test can hold them still. */
export interface Waiting {
  readonly random: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/**
 * How long to wait before the next try, in milliseconds: doubling from `firstMs`, at most `maxMs`, with the lower half
 * of it random ("equal jitter"), so that many members do not knock on a broker that has just come back at once.
 * `attempt` counts from 0.
 */
export function backoffMs(attempt: number, firstMs: number, maxMs: number, random: () => number = Math.random): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(full / 2 + (full / 2) * random());
}

/** Waits; returns early, without an error, when the signal is aborted, because the caller looks at the signal anyway. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal?.addEventListener('abort', finish, { once: true });
  });
}

/** The promise's outcome, or `undefined` when it takes longer than `ms`. A late rejection is taken, not left unhandled. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const patience = new AbortController();
  try {
    return await Promise.race([promise, sleep(ms, patience.signal).then(() => undefined)]);
  } finally {
    patience.abort();
    promise.catch(() => undefined);
  }
}
