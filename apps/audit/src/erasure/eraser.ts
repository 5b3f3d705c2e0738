import { registry, type Logger } from '@bongsu/observability';
import { Sweeper, type Tx } from '@bongsu/persistence';
import { Counter } from 'prom-client';
import type { Database } from '../database/database.js';
import { AFTER_APPENDING } from '../chain/sql/lock-chain.js';
import {
  ERASE_BY_RECIPIENT,
  ERASE_BY_SUBJECT,
  ERASE_LATER,
  NOTE_DONE,
  OPEN_ERASURES,
  type OpenErasure,
} from './sql/erase-records.js';

/** How long records about a recipient may still come that are older than the erasure: Kafka's retention and a day. Milliseconds. */
const LATE_MS = 8 * 86_400_000;

const erasedTotal = new Counter({
  name: 'audit_erased_records_total',
  help: 'Records whose payload was erased on request',
  registers: [registry],
});

/**
 * Erases the payloads of recipients, as the list in the database says. Late records are erased before they are inserted
 * (before-insert.ts); this takes what was there before, and from time to time looks for what came in another order.
 */
export class Eraser {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #sweeper: Sweeper;
  readonly #now: () => number;

  constructor(database: Database, logger: Logger, now: () => number = Date.now) {
    this.#database = database;
    this.#logger = logger;
    this.#now = now;
    this.#sweeper = new Sweeper({ sweep: () => this.sweep(), logger });
  }

  start(): void {
    this.#sweeper.start();
  }

  /** There is something new on the list. */
  notify(): void {
    this.#sweeper.notify();
  }

  async stop(): Promise<void> {
    await this.#sweeper.stop();
  }

  /** Erases all that there is to erase; gives the number of records. */
  async sweep(): Promise<number> {
    const open = await this.#database.query<OpenErasure>(OPEN_ERASURES, [this.#now() - LATE_MS]);
    // Whoever is appending right now may have begun before the list said so: their records are waited for.
    if (open.some(({ done }) => !done)) await this.#database.query(AFTER_APPENDING);
    let sum = 0;
    for (const erasure of open) {
      const count = await this.#erase(erasure);
      if (count > 0) this.#logger.info({ erasureId: erasure.id, records: count }, "A recipient's payloads were erased");
      if (!erasure.done) await this.#database.query(NOTE_DONE, [erasure.id, count]);
      sum += count;
    }
    return sum;
  }

  async #erase({ tenant, recipient, requested_ms }: OpenErasure): Promise<number> {
    let sum = 0;
    for (const statement of [ERASE_BY_RECIPIENT, ERASE_LATER]) {
      for (let count = -1; count !== 0; sum += count) {
        count = await this.#database.eraserTransaction((tx) =>
          erasePiece(tx, statement, [tenant, recipient, requested_ms]),
        );
        erasedTotal.inc(count);
      }
    }
    return sum;
  }
}

async function erasePiece(tx: Tx, statement: string, values: readonly [string, string, string]): Promise<number> {
  const erased = await tx.query<{ subject: string | null }>(statement, values);
  const subjects = [...new Set(erased.flatMap(({ subject }) => subject ?? []))];
  if (subjects.length === 0) return erased.length;
  const further = await tx.query(ERASE_BY_SUBJECT, [values[0], subjects]);
  return erased.length + further.length;
}
