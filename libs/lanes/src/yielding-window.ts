/** How much longer than at best an urgent piece of work may take before bulk gives way, milliseconds. */
const TARGET_MS = 10;
/** No further answer to the same congestion within this time, milliseconds. */
const REACTION_MS = 50;
/**
 * By how much bulk grows with an urgent piece of work that was in time, at most. One that was late halves it, which takes seventy in
 * time to make good: where bulk is what makes them late, about one in seventy is.
 */
const GROWTH = 0.01;
/** So long after the last urgent one bulk has everything again, milliseconds. */
const FORGET_MS = 5_000;
/** How often bulk gets back some of what nobody disputes, milliseconds. */
const STEP_MS = 100;
/** The best time is that of the last one or two of these, milliseconds: clocks drift, and so do machines. */
const BASE_MS = 300_000;

/**
 * How much bulk may have of something (slots, time) while urgent work comes: less when that is late, more when it is not. On
 * a busy machine the slots are not what is scarce: it is the processor, in this process and in all others on the way, and
 * how late the urgent ones are is what tells. After LEDBAT (RFC 6817), a transport that yields to others by the delay it
 * measures; as there, only differences to the best time are looked at, so that the clocks of two machines need not agree.
 *
 * The first urgent one finds bulk with everything, so bulk starts from the least; and as single urgent ones tell too little,
 * it gets back by time what no urgent one disputes.
 */
export class YieldingWindow {
  readonly #max: number;
  readonly #min: number;
  #window: number;
  #bases: [number, number] = [Infinity, Infinity];
  #baseFrom = -Infinity;
  #sampledAt = -Infinity;
  #changedAt = -Infinity;

  /** @param max all that there is, in any unit; a fiftieth of it is left to bulk in any case, and no less than 1 */
  constructor(max: number) {
    this.#max = max;
    this.#min = Math.max(1, Math.floor(max * 0.02));
    this.#window = this.#min;
  }

  /** An urgent piece of work took `delayMs` at the time `now`; both milliseconds. */
  sample(delayMs: number, now: number): void {
    if (now - this.#sampledAt > FORGET_MS) this.#window = this.#min;
    this.#sampledAt = now;
    if (now - this.#baseFrom > BASE_MS) {
      this.#bases = [Infinity, this.#bases[0]];
      this.#baseFrom = now;
    }
    this.#bases[0] = Math.min(this.#bases[0], delayMs);
    const off = Math.max(-1, (TARGET_MS - (delayMs - Math.min(...this.#bases))) / TARGET_MS);
    if (off < 0 && now - this.#changedAt < REACTION_MS) return;
    const changed = this.#window * (1 + off * (off < 0 ? 0.5 : GROWTH));
    this.#window = Math.min(this.#max, Math.max(this.#min, changed));
    if (off < 0) this.#changedAt = now;
  }

  /** What bulk may have; undefined when there is nobody to yield to. */
  ceiling(now: number): number | undefined {
    if (now - this.#sampledAt >= FORGET_MS) return undefined;
    const undisputed = (this.#steps(now) * STEP_MS) / FORGET_MS;
    return Math.floor(this.#window + (this.#max - this.#window) * undisputed);
  }

  /** Until when the ceiling holds, if no more samples come; Infinity when there is none. */
  changesAt(now: number): number {
    if (now - this.#sampledAt >= FORGET_MS) return Infinity;
    return this.#sampledAt + (this.#steps(now) + 1) * STEP_MS;
  }

  #steps(now: number): number {
    return Math.floor((now - this.#sampledAt) / STEP_MS);
  }
}
