import { setTimeout as sleep } from 'node:timers/promises';
import { YieldingWindow } from './yielding-window.js';

/** The longest rest, milliseconds: however late urgent work is, what rests goes on. */
const LONGEST_REST_MS = 1_000;
/** All of the time, percent. */
const ALL = 100;
/** For so long after a piece of work its share counts as used, milliseconds. */
const LATELY_MS = 2 * LONGEST_REST_MS;

/**
 * Rests after pieces of work that may wait, as long as urgent work in the same process is later than at best: the two share
 * a processor, which no queue in between can divide.
 */
export class Pace {
  /** Percent of the time that may be worked. */
  readonly #share = new YieldingWindow(ALL);
  #workedAt = -Infinity;

  /** Whether urgent work has come lately, and what may wait has less than half of the time. */
  get isYielding(): boolean {
    return (this.#share.ceiling(Date.now()) ?? ALL) < ALL / 2;
  }

  /** An urgent piece of work took so long, milliseconds. */
  urgent(tookMs: number): void {
    const now = Date.now();
    this.#share.sample(tookMs, now, now - this.#workedAt < LATELY_MS ? ALL : 0);
  }

  /**
   * Resolves when the time after a piece of work of `workMs` has passed in which urgent work has the processor.
   * @param least percent of the time that the work has in any case
   */
  async rest(workMs: number, least: number, signal: AbortSignal): Promise<void> {
    const now = Date.now();
    this.#workedAt = now;
    const share = this.#share.ceiling(now);
    const restMs = restOf(workMs, share && Math.max(share, least));
    if (restMs > 0) await sleep(restMs, undefined, { signal }).catch(noop);
  }
}

/** @param share percent; undefined when there is nobody to yield to */
export const restOf = (workMs: number, share: number | undefined): number =>
  share === undefined ? 0 : Math.min(LONGEST_REST_MS, workMs * (100 / share - 1));

function noop(): void {}
