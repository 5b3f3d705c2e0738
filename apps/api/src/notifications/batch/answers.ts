import type { Line } from './lines.js';

/** Lines that are being accepted at the same time, and their bytes: enough to fill Kafka's batches, small enough to hold. */
const MAX_UNDER_WAY = 1_000;
const MAX_BYTES_UNDER_WAY = 2 * 1024 * 1024;

interface UnderWay {
  readonly bytes: number;
  readonly done: Promise<void>;
  text: string | undefined;
}

/**
 * One line of answer per line, in order, as soon as it and those before it are known. Reads ahead while answers are under
 * way, within bounds, and stops reading when nobody takes the answers: memory stays flat however long the stream is.
 * @param answer gives the answer's JSON; called in the order of the lines
 */
export async function* answersTo(
  lines: AsyncIterable<Line[]>,
  answer: (line: Line, index: number) => Promise<unknown>,
): AsyncGenerator<string> {
  const queue = new AnswerQueue();
  const reading = (async () => {
    let index = 0;
    for await (const batch of lines) {
      for (const line of batch) {
        await queue.room();
        if (queue.abandoned) return;
        queue.add(answer(line, index++), Buffer.isBuffer(line) ? line.length : 0);
      }
    }
  })();
  // Kept for when the writer gets there; until then it must not count as unhandled.
  reading.catch(() => undefined);
  void reading.then(
    () => queue.end(),
    () => queue.end(),
  );
  try {
    for (let text = await queue.next(); text !== undefined; text = await queue.next()) yield text;
    await reading;
  } finally {
    queue.abandon();
  }
}

class AnswerQueue {
  private readonly underWay: UnderWay[] = [];
  private bytes = 0;
  private ended = false;
  private wakeReader: (() => void) | undefined;
  private wakeWriter: (() => void) | undefined;
  private failure: unknown;
  abandoned = false;

  async room(): Promise<void> {
    while (!this.abandoned && (this.underWay.length >= MAX_UNDER_WAY || this.bytes >= MAX_BYTES_UNDER_WAY)) {
      await new Promise<void>((resolve) => (this.wakeReader = resolve));
    }
  }

  add(answer: Promise<unknown>, bytes: number): void {
    const entry: UnderWay = {
      bytes,
      text: undefined,
      done: answer.then(
        (value) => {
          entry.text = `${JSON.stringify(value)}\n`;
        },
        (error: unknown) => {
          this.failure = error;
        },
      ),
    };
    this.underWay.push(entry);
    this.bytes += bytes;
    this.wakeWriter?.();
  }

  end(): void {
    this.ended = true;
    this.wakeWriter?.();
  }

  /** The reader is told to stop: nobody wants the answers any more. */
  abandon(): void {
    this.abandoned = true;
    this.wakeReader?.();
  }

  /** Every answer that is known, from the oldest line on; waits for at least one. Undefined when there are no more. */
  async next(): Promise<string | undefined> {
    while (this.underWay.length === 0) {
      if (this.ended) return undefined;
      await new Promise<void>((resolve) => (this.wakeWriter = resolve));
    }
    await this.underWay[0]!.done;
    let text = '';
    while (this.underWay[0]?.text !== undefined) {
      const entry = this.underWay.shift()!;
      this.bytes -= entry.bytes;
      text += entry.text;
    }
    this.wakeReader?.();
    if (text === '') throw this.failure;
    return text;
  }
}
