/** How much longer than at best an urgent piece of work may take before bulk gives way, milliseconds. */
const TARGET_MS = 10;
/** No further answer to the same congestion within this time, milliseconds. */
const REACTION_MS = 50;
/** So long after the last urgent one bulk has everything again, milliseconds. */
const FORGET_MS = 30_000;
/**
 * In this time bulk gets twice as much, if no urgent one disputes it, milliseconds. At twenty urgent ones per second about one in 140 is
 * late where bulk is what makes them late; from the least to everything it takes 80 s.
 */
const DOUBLE_MS = 14_000;
/** How often bulk gets some more, milliseconds. */
const STEP_MS = 100;
/** The best time is that of the last one or two of these, milliseconds: clocks drift, and so do machines. */
const BASE_MS = 300_000;

/**
 * How much bulk may have of something (slots, time) while urgent work comes: less when that is late, more when it is not. On
 * a busy machine the slots are not what is scarce: it is the processor, in this process and in all others on the way, and
 * how late the urgent ones are is what tells. After LEDBAT (RFC 6817), a transport that yields to others by the delay it
 * measures; as there, only differences to the best time are looked at, so that the clocks of two machines need not agree.
 *
 * The first urgent one finds bulk with everything, so bulk starts from the least. It gets more by time, as single urgent ones tell
 * too little; but what it did not use while they were in time has not been shown to be harmless (RFC 7661 on TCP's window), and is not kept.
 */
export class YieldingWindow {
  readonly #max: number;
  readonly #min: number;
  #window: number;
  #bases: [number, number] = [Infinity, Infinity];
  #baseFrom = -Infinity;
  #last = Infinity;
  #sampledAt = -Infinity;
  #changedAt = -Infinity;

  /** @param max all that there is, in any unit; a fiftieth of it is left to bulk in any case, and no less than 1 */
  constructor(max: number) {
    this.#max = max;
    this.#min = Math.max(1, Math.floor(max * 0.02));
    this.#window = this.#min;
  }

  /**
   * An urgent piece of work took `delayMs` at the time `now`; both milliseconds.
   * @param used what bulk has at present
   */
  sample(delayMs: number, now: number, used: number): void {
    if (now - this.#baseFrom > BASE_MS) {
      this.#bases = [Infinity, this.#bases[0]];
      this.#baseFrom = now;
    }
    this.#bases[0] = Math.min(this.#bases[0], delayMs);
    const isUsed = used >= this.#window / 2;
    const grown = this.#grown(Math.abs(now - this.#sampledAt));
    // A single late one may be anything; of two, as LEDBAT's filter, the lesser delay is what both had to wait.
    const delay = Math.min(delayMs, this.#last);
    this.#last = delayMs;
    const off = Math.max(-1, (TARGET_MS - (delay - Math.min(...this.#bases))) / TARGET_MS);
    if (grown === undefined) this.#window = this.#min;
    else if (off >= 0 && isUsed) this.#window += (grown - this.#window) * off;
    this.#sampledAt = now;
    if (off >= 0 || Math.abs(now - this.#changedAt) < REACTION_MS) return;
    this.#window = Math.max(this.#min, this.#window * (1 + off / 2));
    this.#changedAt = now;
  }

  /** What bulk may have; undefined when there is nobody to yield to. */
  ceiling(now: number): number | undefined {
    const grown = this.#grown(Math.floor(Math.abs(now - this.#sampledAt) / STEP_MS) * STEP_MS);
    return grown === undefined ? undefined : Math.floor(grown);
  }

  /** Until when the ceiling holds, if no more samples come; Infinity when there is none. */
  changesAt(now: number): number {
    const since = Math.abs(now - this.#sampledAt);
    return since >= FORGET_MS ? Infinity : now - (since % STEP_MS) + STEP_MS;
  }

  /**
   * The window so long after the last sample, milliseconds; undefined when there is nobody to yield to. So long before it is the same:
   * a clock that is set back by an hour would otherwise leave bulk nothing for an hour.
   */
  #grown(sinceMs: number): number | undefined {
    return sinceMs >= FORGET_MS ? undefined : Math.min(this.#max, this.#window * 2 ** (sinceMs / DOUBLE_MS));
  }
}
