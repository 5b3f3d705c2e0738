import { CheckpointBook, verifyStore, type VerifierKey, type VerifyReport } from '@bongsu/audit-chain';
import type { Logger } from '@bongsu/observability';
import type { Database } from '../database/database.js';
import { verifyDuration, verifyFailures, verifyRecords } from './metrics.js';

/**
 * Verifies the whole store. One verification runs at a time, since each reads everything; whoever asks while one runs
 * shares the next one, never that one, which may have passed a place before it was changed.
 */
export class Verification {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #keys: () => readonly VerifierKey[];
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<VerifyReport> | undefined;

  /** @param keys whose signatures count; without any, checkpoints are taken at their word */
  constructor(database: Database, logger: Logger, keys: () => readonly VerifierKey[] = () => []) {
    this.#database = database;
    this.#logger = logger;
    this.#keys = keys;
  }

  /** A verification that begins after the call. Rejects when the database cannot be read. */
  verify(): Promise<VerifyReport> {
    if (!this.#next) {
      this.#next = this.#running.then(() => {
        this.#next = undefined;
        return this.#run();
      });
      this.#running = this.#next.catch(() => undefined);
    }
    return this.#next;
  }

  async #run(): Promise<VerifyReport> {
    const started = performance.now();
    const book = new CheckpointBook(this.#keys());
    const report = await verifyStore((work) => this.#database.snapshot(work), book);
    verifyDuration.set((performance.now() - started) / 1000);
    verifyRecords.set(report.records);
    if (!report.ok) {
      verifyFailures.inc();
      const { problemCount, problems } = report;
      this.#logger.error({ problemCount, first: problems[0] }, 'The audit trail does not verify: it was changed');
    }
    return report;
  }
}
