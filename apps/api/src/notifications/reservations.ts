import { hash } from 'node:crypto';
import { newEventId } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { Database } from '../database/database.js';
import { FORGET_EXPIRED, RESERVE } from './sql/reserve.js';

/** What an Idempotency-Key stands for. */
export interface Reservation {
  readonly notificationId: string;
  readonly bodyHash: Buffer;
  readonly acceptedAt: Date;
  readonly expiresAt: Date;
}

export interface ReservedKey extends Reservation {
  /** Whether the key was free until now. */
  readonly fresh: boolean;
  /** Whether the read model has the notification's record. */
  readonly known: boolean;
}

interface Waiting {
  readonly tenant: string;
  readonly keyHash: Buffer;
  readonly asked: Reservation;
  readonly attempt: string;
  readonly resolve: (reserved: ReservedKey | undefined) => void;
  settled: boolean;
}

interface Row extends Reservation {
  readonly tenant: string;
  readonly keyHash: Buffer;
  readonly attempt: string;
  readonly known: boolean;
}

/** How long an accept waits for the database, milliseconds: a slow one must not slow every accept down. */
const PATIENCE_MS = 250;
/** How long the database then counts as away, and is not asked. */
const AWAY_MS = 1_000;
const MAX_BATCH = 500;
const FORGET_EVERY_MS = 60_000;

/**
 * Reservations of Idempotency-Keys in the database. One statement is in flight at a time, and what arrives meanwhile is
 * the next one. A database that is away or slow is no error here: the answer is then undefined, soon.
 */
export class Reservations {
  private readonly database: Database;
  private readonly logger: Logger;
  private waiting: Waiting[] = [];
  private running = false;
  private awayUntil = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(database: Database, logger: Logger) {
    this.database = database;
    this.logger = logger;
  }

  start(): void {
    this.timer = setInterval(() => void this.forgetExpired(), FORGET_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /**
   * The reservation in force for the key: the asked one when the key was free. Undefined when the database does not say in
   * time. A key must not be asked for twice at the same time (Idempotency joins such requests).
   */
  reserve(tenant: string, key: string, asked: Reservation): Promise<ReservedKey | undefined> {
    if (!this.database.isReady || Date.now() < this.awayUntil) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const entry: Waiting = {
        tenant,
        keyHash: hash('sha256', key, 'buffer'),
        asked,
        attempt: newEventId(),
        settled: false,
        resolve: (reserved) => {
          if (entry.settled) return;
          entry.settled = true;
          clearTimeout(timer);
          resolve(reserved);
        },
      };
      const timer = setTimeout(() => {
        this.noteAway(new Error(`no answer within ${PATIENCE_MS} ms`));
        entry.resolve(undefined);
      }, PATIENCE_MS);
      this.waiting.push(entry);
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    // What other requests of this turn of the event loop ask for goes along.
    await new Promise(setImmediate);
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, MAX_BATCH).filter((entry) => !entry.settled);
      if (batch.length === 0) continue;
      try {
        await this.reserveBatch(batch);
      } catch (error) {
        this.noteAway(error);
      }
      for (const entry of batch) entry.resolve(undefined);
    }
    this.running = false;
  }

  private async reserveBatch(batch: readonly Waiting[]): Promise<void> {
    const rows = await this.database.query<Row>(RESERVE, [
      batch.map(({ tenant }) => tenant),
      batch.map(({ keyHash }) => keyHash),
      batch.map(({ asked }) => asked.notificationId),
      batch.map(({ asked }) => asked.bodyHash),
      batch.map(({ attempt }) => attempt),
      batch.map(({ asked }) => asked.acceptedAt),
      batch.map(({ asked }) => asked.expiresAt),
    ]);
    const byKey = new Map(rows.map((row) => [`${row.tenant}\0${row.keyHash.toString('hex')}`, row]));
    for (const entry of batch) {
      const row = byKey.get(`${entry.tenant}\0${entry.keyHash.toString('hex')}`);
      entry.resolve(row && { ...row, fresh: row.attempt === entry.attempt });
    }
  }

  private noteAway(error: unknown): void {
    if (Date.now() >= this.awayUntil) {
      this.logger.warn(
        { err: error },
        'Idempotency-Keys cannot be reserved at the moment; accepting by derived id alone',
      );
    }
    this.awayUntil = Date.now() + AWAY_MS;
  }

  private async forgetExpired(): Promise<void> {
    try {
      while ((await this.database.query(FORGET_EXPIRED)).length > 0);
    } catch (error) {
      this.logger.debug({ err: error }, 'expired reservations could not be removed; trying again in a minute');
    }
  }
}
