import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';

/** Answers that take no longer are ordinary ones, with an error's own status when there is one. Milliseconds. */
const AT_ONCE_MS = 10_000;
/** Proxies and clients give up on a connection that is silent for a minute or five. Milliseconds. */
const SPACE_EVERY_MS = 5_000;

/**
 * The answer, or, when that takes long, a stream of JSON that begins with white space until the answer is there. By then the
 * status is sent, so that a failure cuts the stream off: what arrived is no JSON, and nobody takes it for an answer.
 */
export async function patiently<T>(
  answer: Promise<T>,
  times: { readonly atOnceMs: number; readonly spaceEveryMs: number } = {
    atOnceMs: AT_ONCE_MS,
    spaceEveryMs: SPACE_EVERY_MS,
  },
): Promise<T | Readable> {
  const settled = answer.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  const soon = await within(settled, times.atOnceMs);
  if (soon === undefined) return Readable.from(spacesBefore(settled, times.spaceEveryMs), { objectMode: false });
  if ('error' in soon) throw soon.error;
  return soon.value;
}

type Settled<T> = { readonly value: T } | { readonly error: unknown };

async function* spacesBefore<T>(settled: Promise<Settled<T>>, everyMs: number): AsyncGenerator<string> {
  for (;;) {
    yield ' ';
    const found = await within(settled, everyMs);
    if (found === undefined) continue;
    if ('error' in found) throw found.error;
    yield JSON.stringify(found.value);
    return;
  }
}

async function within<T>(settled: Promise<Settled<T>>, ms: number): Promise<Settled<T> | undefined> {
  const cancel = new AbortController();
  const late = sleep(ms, undefined, { signal: cancel.signal, ref: false }).catch(() => undefined);
  try {
    return await Promise.race([settled, late]);
  } finally {
    cancel.abort();
  }
}
