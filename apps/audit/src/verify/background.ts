import { setTimeout as sleep } from 'node:timers/promises';
import {
  chainsToVerify,
  CheckpointBook,
  TrailVerifier,
  verifyChain,
  type Query,
  type VerifierKey,
} from '@bongsu/audit-chain';
import type { Logger } from '@bongsu/observability';
import type { Database } from '../database/database.js';
import { setLastComplete, verifiedRecords, verifyFailures } from './metrics.js';

/** How long it rests after each round and after an error, milliseconds: an empty store must not be read in a loop. */
const REST_MS = 10_000;

export interface BackgroundOptions {
  /** Records per second; 0: not at all. */
  readonly rate: number;
  /** Whose signatures count. */
  readonly keys?: () => readonly VerifierKey[];
  readonly restMs?: number;
}

/**
 * Verifies the store without end, a page at a time and no faster than it is told, each page in a statement of its own: no
 * transaction stays open, and appending and erasing go on meanwhile. What it finds is counted and logged, once per round
 * and chain. A round begins anew when the process does; it remembers nothing that somebody could change.
 */
export class BackgroundVerification {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #rate: number;
  readonly #keys: () => readonly VerifierKey[];
  readonly #restMs: number;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(database: Database, logger: Logger, { rate, keys = () => [], restMs = REST_MS }: BackgroundOptions) {
    this.#database = database;
    this.#logger = logger;
    this.#rate = rate;
    this.#keys = keys;
    this.#restMs = restMs;
  }

  start(): void {
    if (this.#rate === 0) return;
    setLastComplete(Date.now());
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        if (await this.#round()) setLastComplete(Date.now());
      } catch (error) {
        if (!signal.aborted) this.#logger.warn({ err: error }, 'Verifying in the background failed; it begins again');
      }
      await this.#pause(this.#restMs);
    }
  }

  /** False when it was stopped on its way. */
  async #round(): Promise<boolean> {
    const query: Query = (sql, values) => this.#database.query(sql, values);
    const book = new CheckpointBook(this.#keys());
    for (const { topic, partition } of await chainsToVerify(query, book)) {
      const trail = new TrailVerifier(book);
      const pages = verifyChain(query, trail, book, topic, partition);
      let started = performance.now();
      for await (const page of pages) {
        verifiedRecords.inc(page.length);
        await this.#pause((page.length * 1_000) / this.#rate - (performance.now() - started));
        if (this.#stopping.signal.aborted) return false;
        started = performance.now();
      }
      this.#tell(trail, book);
    }
    return true;
  }

  #tell(trail: TrailVerifier, book: CheckpointBook): void {
    const { ok, problemCount, problems } = trail.report();
    book.forget();
    if (ok) return;
    verifyFailures.inc();
    this.#logger.error({ problemCount, first: problems[0] }, 'The audit trail does not verify: it was changed');
  }

  async #pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => undefined);
  }
}
