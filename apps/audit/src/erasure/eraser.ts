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
/** How often what came in another order is looked for, milliseconds. */
const LATER_EVERY_MS = 600_000;

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
  #lookedForLater = -Infinity;

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

  /** Erases what there is to erase; gives the number of records and erasures, 0 when nothing was left. */
  async sweep(): Promise<number> {
    const open = await this.#database.query<OpenErasure>(OPEN_ERASURES);
    // Whoever is appending right now may have begun before the list said so: their records are waited for.
    if (open.length > 0) await this.#database.query(AFTER_APPENDING);
    for (const { id, tenant, recipient, requested_ms } of open) {
      const count = await this.#erase(ERASE_BY_RECIPIENT, [tenant, recipient, requested_ms], tenant);
      await this.#database.query(NOTE_DONE, [id, count]);
      this.#logger.info({ erasureId: id, records: count }, "A recipient's payloads were erased");
    }
    return open.length + (await this.#eraseLater(open.length > 0));
  }

  /** What came in another order is looked for when something new was erased, and from time to time. */
  async #eraseLater(anew: boolean): Promise<number> {
    const now = this.#now();
    if (!anew && now - this.#lookedForLater < LATER_EVERY_MS) return 0;
    this.#lookedForLater = now;
    return await this.#erase(ERASE_LATER, [now - LATE_MS]);
  }

  /** @param tenant whose notifications' other records (facts, commands) go with what is found */
  async #erase(statement: string, values: readonly unknown[], tenant?: string): Promise<number> {
    let sum = 0;
    for (let count = -1; count !== 0;) {
      count = await this.#database.eraserTransaction((tx) => erasePiece(tx, statement, values, tenant));
      erasedTotal.inc(count);
      sum += count;
    }
    return sum;
  }
}

async function erasePiece(
  tx: Tx,
  statement: string,
  values: readonly unknown[],
  tenant: string | undefined,
): Promise<number> {
  const erased = await tx.query<{ subject: string | null }>(statement, values);
  const subjects = [...new Set(erased.flatMap(({ subject }) => subject ?? []))];
  if (subjects.length === 0 || tenant === undefined) return erased.length;
  const further = await tx.query(ERASE_BY_SUBJECT, [tenant, subjects]);
  return erased.length + further.length;
}
