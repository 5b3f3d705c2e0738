/** How often the line is written anew, milliseconds. */
const EVERY_MS = 500;
const WIDTH = 24;

/** How far a long verification has come, on one line of stderr that is written over. */
export class Progress {
  readonly #shown: boolean;
  readonly #started = performance.now();
  #total: number | undefined;
  #last = -Infinity;

  /** @param shown on a terminal, or when asked for */
  constructor(shown: boolean) {
    this.#shown = shown;
  }

  /** How much there is, in the unit of `done`. */
  expect(total: number): void {
    this.#total = total;
  }

  /** @param done of the total; the records, where it is the same */
  at(records: number, done: number = records): void {
    const now = performance.now();
    if (!this.#shown || now - this.#last < EVERY_MS) return;
    this.#last = now;
    const rate = Math.round((records * 1_000) / Math.max(1, now - this.#started));
    process.stderr.write(`\r${bar(done, this.#total)}${records} records, ${rate}/s\u001B[K`);
  }

  /** Takes the line away, so that the result stands alone. */
  end(): void {
    if (this.#shown && this.#last > 0) process.stderr.write('\r\u001B[K');
  }
}

function bar(done: number, total: number | undefined): string {
  if (total === undefined || total === 0) return '';
  const part = Math.min(1, done / total);
  const full = Math.floor(part * WIDTH);
  return `[${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${String(Math.floor(part * 100)).padStart(3)}%  `;
}
