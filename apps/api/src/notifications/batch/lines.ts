import type { Readable } from 'node:stream';
import { BongsuError } from '@bongsu/contracts';

const LINE_FEED = 0x0a;

/** A line without its end; or the error that stands for one, when it was too long to be held or did not come to its end. */
export type Line = Buffer | BongsuError;

/**
 * The lines of a stream, in batches of what has arrived together, holding no more than one line of `maxBytes` at a time: of
 * a longer one only that it was there. A stream that says nothing for `idleMs` ends with an error for what it left
 * unfinished. Ends early when `stop` is aborted.
 */
export async function* linesOf(
  stream: Readable,
  limits: { readonly maxBytes: number; readonly idleMs: number; readonly stop: AbortSignal },
): AsyncGenerator<Line[]> {
  const rest = new UnfinishedLine(limits.maxBytes);
  // Not destroyed when we stop: that would cut the connection before the answer has been sent.
  const chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  try {
    for (;;) {
      const next = await withinIdleTime(chunks.next(), limits.idleMs, limits.stop);
      if (next === 'idle') {
        if (rest.begun) yield [new BongsuError('request_timeout', 'The line did not come to its end in time')];
        return;
      }
      if (next === 'stopped') return;
      if (next.done) {
        if (rest.begun) yield [rest.end()];
        return;
      }
      const lines = splitChunk(next.value, rest);
      if (lines.length > 0) yield lines;
    }
  } finally {
    // Not awaited: a stream that is waiting for bytes would only answer when some come.
    void chunks.return?.()?.catch(() => undefined);
  }
}

function splitChunk(chunk: Buffer, rest: UnfinishedLine): Line[] {
  const lines: Line[] = [];
  let from = 0;
  for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
    rest.add(chunk.subarray(from, at));
    lines.push(rest.end());
    from = at + 1;
  }
  if (from < chunk.length) rest.add(chunk.subarray(from));
  return lines;
}

class UnfinishedLine {
  private readonly maxBytes: number;
  private parts: Buffer[] = [];
  private bytes = 0;
  begun = false;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  add(part: Buffer): void {
    this.begun = true;
    this.bytes += part.length;
    if (this.bytes <= this.maxBytes) this.parts.push(part);
    else this.parts = [];
  }

  end(): Line {
    const line =
      this.bytes > this.maxBytes
        ? new BongsuError('body_too_large', `A line may have ${this.maxBytes} bytes`)
        : Buffer.concat(this.parts, this.bytes);
    this.parts = [];
    this.bytes = 0;
    this.begun = false;
    return line;
  }
}

function withinIdleTime<T>(next: Promise<T>, idleMs: number, stop: AbortSignal): Promise<T | 'idle' | 'stopped'> {
  if (stop.aborted) {
    next.catch(() => undefined);
    return Promise.resolve('stopped');
  }
  return new Promise((resolve, reject) => {
    const settle = <V>(done: (value: V) => void, value: V): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
      done(value);
    };
    const onStop = (): void => settle(resolve, 'stopped' as const);
    const timer = setTimeout(() => settle(resolve, 'idle' as const), idleMs);
    stop.addEventListener('abort', onStop, { once: true });
    next.then(
      (value) => settle(resolve, value),
      (error: unknown) => settle(reject, error),
    );
  });
}
