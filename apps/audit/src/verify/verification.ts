import { verifyStore, type Query, type Snapshot, type VerifyReport } from '@bongsu/audit-chain';
import type { Logger } from '@bongsu/observability';
import { transaction } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { verifyDuration, verifyFailures, verifyRecords } from './metrics.js';

/**
 * Verifies the whole store. One verification runs at a time, since each reads everything; whoever asks while one runs
 * shares the next one, never that one, which may have passed a place before it was changed.
 */
export class Verification {
  readonly #dataSource: DataSource;
  readonly #logger: Logger;
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<VerifyReport> | undefined;

  constructor(dataSource: DataSource, logger: Logger) {
    this.#dataSource = dataSource;
    this.#logger = logger;
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
    const report = await verifyStore(snapshotOf(this.#dataSource));
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

function snapshotOf(dataSource: DataSource): Snapshot {
  return (work) =>
    transaction(dataSource, async (tx) => {
      await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const query: Query = (sql, values) => tx.query(sql, values);
      return await work(query);
    });
}
