/** How much longer than at best an urgent delivery may take to its start before bulk gives way, milliseconds. */
const TARGET_MS = 10;
/** No further answer to the same congestion within this time, milliseconds. */
const REACTION_MS = 50;
/** So long after the last urgent delivery bulk has all slots again, milliseconds. */
const FORGET_MS = 5_000;
/** The best time is that of the last one or two of these, milliseconds: clocks drift, and so do machines. */
const BASE_MS = 300_000;

/**
 * How many slots bulk may have while urgent deliveries come: fewer when those are late, more when they are not. On a busy
 * machine the slots are not what is scarce: it is the processor, in this process and in all others on the way, and how late
 * the urgent ones are is what tells. After LEDBAT (RFC 6817), a transport that yields to others by the delay it measures;
 * as there, only differences to the best time are looked at, so that the clocks of two machines need not agree.
 */
export class YieldingWindow {
  readonly #max: number;
  readonly #min: number;
  #window: number;
  #bases: [number, number] = [Infinity, Infinity];
  #baseFrom = -Infinity;
  #sampledAt = -Infinity;
  #changedAt = -Infinity;

  /** @param max all slots there are */
  constructor(max: number) {
    this.#max = max;
    this.#min = Math.max(1, Math.floor(max * 0.02));
    this.#window = this.#start;
  }

  /** An urgent delivery starts, so long after it was accepted. */
  sample(delayMs: number, now: number): void {
    if (now - this.#sampledAt > FORGET_MS) this.#window = this.#start;
    this.#sampledAt = now;
    if (now - this.#baseFrom > BASE_MS) {
      this.#bases = [Infinity, this.#bases[0]];
      this.#baseFrom = now;
    }
    this.#bases[0] = Math.min(this.#bases[0], delayMs);
    const off = Math.max(-1, (TARGET_MS - (delayMs - Math.min(...this.#bases))) / TARGET_MS);
    if (off < 0 && now - this.#changedAt < REACTION_MS) return;
    const changed = off < 0 ? this.#window * (1 + off / 2) : this.#window + off * this.#max * 0.01;
    this.#window = Math.min(this.#max, Math.max(this.#min, changed));
    if (off < 0) this.#changedAt = now;
  }

  /** Slots that bulk may have; undefined when there is nobody to yield to. */
  ceiling(now: number): number | undefined {
    return now < this.until ? Math.floor(this.#window) : undefined;
  }

  /** Until when the ceiling holds, if no more samples come. */
  get until(): number {
    return this.#sampledAt + FORGET_MS;
  }

  get #start(): number {
    return Math.max(this.#min, this.#max / 4);
  }
}
