import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@bongsu/observability';

export interface SweeperOptions {
  /** Does a piece of the work; gives how much it did, 0 when nothing is left. */
  readonly sweep: () => Promise<number>;
  readonly logger: Logger;
  /** How long after finding nothing left it looks again by itself, milliseconds. */
  readonly everyMs?: number;
}

/**
 * Does work in pieces in the background until nothing is left, and looks again from time to time. A piece that fails is
 * tried again: what is to be erased is on a list in the database, and stays there.
 */
export class Sweeper {
  readonly #options: Required<SweeperOptions>;
  readonly #stopping = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: SweeperOptions) {
    this.#options = { everyMs: 15_000, ...options };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There is something to do: do not wait for the next look. */
  notify(): void {
    this.#wake.abort();
  }

  /** Ends after the piece in hand. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { sweep, logger, everyMs } = this.#options;
    while (!this.#stopping.signal.aborted) {
      this.#wake = new AbortController();
      try {
        if ((await sweep()) > 0) continue;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        logger.warn({ err: error }, 'Erasing failed; it will be tried again');
        await this.#rest(Math.min(everyMs, 1_000), this.#stopping.signal);
        continue;
      }
      await this.#rest(everyMs, AbortSignal.any([this.#stopping.signal, this.#wake.signal]));
    }
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal }).catch(() => undefined);
  }
}
