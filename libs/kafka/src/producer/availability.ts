import type { Logger } from '@bongsu/observability';
import { sleep } from '../cluster/backoff.js';

/** An idle producer asks whether Kafka is there this often; one that found it away asks every second. Milliseconds. */
const PROBE_IDLE_MS = 5_000;
const PROBE_AWAY_MS = 1_000;

/**
 * Whether Kafka acknowledges: it does not when it has owed an answer, to a send or to a probe, for longer than a caller
 * waits. Probes are sent while nothing else is, because readiness must not depend on traffic.
 */
export class Availability {
  readonly #limitMs: number;
  readonly #logger: Logger;
  /** Since when Kafka owes an answer to a send; undefined while it owes none. */
  #waitingSince: number | undefined;
  /** Since when probes fail. */
  #awaySince: number | undefined;
  #answeredAt = -Infinity;
  #announced = false;

  constructor(limitMs: number, logger: Logger) {
    this.#limitMs = limitMs;
    this.#logger = logger;
  }

  get available(): boolean {
    const limit = performance.now() - this.#limitMs;
    return (this.#waitingSince ?? Infinity) > limit && (this.#awaySince ?? Infinity) > limit;
  }

  /** Milliseconds that Kafka has owed an answer to a send. */
  get waitedMs(): number {
    return this.#waitingSince === undefined ? 0 : performance.now() - this.#waitingSince;
  }

  /** Something was asked of Kafka. */
  asked(): void {
    this.#waitingSince ??= performance.now();
  }

  /** Nothing is asked any more. */
  rest(): void {
    this.#waitingSince = undefined;
  }

  /** Kafka answered; `more` when it is asked for more in the same moment. */
  answered(more: boolean): void {
    this.#answeredAt = performance.now();
    this.#waitingSince = more ? this.#answeredAt : undefined;
    this.#awaySince = undefined;
    if (!this.#announced) return;
    this.#announced = false;
    this.#logger.info('Kafka acknowledges again');
  }

  /** Says once that Kafka is away. True while it is. */
  announce(): boolean {
    if (!this.available && !this.#announced) {
      this.#announced = true;
      this.#logger.error('Kafka does not acknowledge; records are refused until it does');
    }
    return this.#announced;
  }

  /** Asks Kafka whether it is there while nobody else does; resolves when the signal is aborted. */
  async probe(ask: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let failing = false; ;) {
      await sleep(failing ? PROBE_AWAY_MS : PROBE_IDLE_MS, signal);
      if (signal.aborted) return;
      const started = performance.now();
      const idle = this.#waitingSince === undefined && started - this.#answeredAt >= PROBE_IDLE_MS - 500;
      if (!idle && !failing) continue;
      try {
        await ask();
        failing = false;
        this.#awaySince = undefined;
        if (this.#waitingSince === undefined) this.answered(false);
      } catch {
        failing = true;
        this.#awaySince ??= started;
      }
    }
  }
}
