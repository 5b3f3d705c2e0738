import type { RecipientErased } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { erasedNotifications, Erasures, Sweeper } from '@bongsu/persistence';
import type { Database } from '../database/database.js';
import { ERASE_ATTEMPTS, ERASE_DEAD_LETTERS, ERASE_NOTIFICATIONS, ERASE_TIMELINE } from './sql/erase.js';
import { FIND_ERASABLE, READ_ERASURE, type ErasureRow } from './sql/find-erasable.js';

/**
 * Erases recipients from the read model: who they are, what was said to them, what receivers answered. What happened to
 * their notifications stays. What to erase is a list; whatever is projected later about them is found by looking again.
 */
export class Eraser {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #sweeper: Sweeper;

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
    this.#sweeper = new Sweeper({ sweep: () => this.sweep(), logger });
  }

  /** Puts recipients on the list; resolves when they are on it. The rest is done in the background. */
  async erase(recipients: readonly RecipientErased[]): Promise<void> {
    await this.#database.transaction((tx) => Erasures.remember(tx, recipients));
    this.#sweeper.notify();
  }

  /** A recipient's last erasure. Throws database_unavailable. */
  async find(tenant: string, recipientId: string): Promise<ErasureRow | undefined> {
    const [row] = await this.#database.query<ErasureRow>(READ_ERASURE, [tenant, recipientId]);
    return row;
  }

  start(): void {
    this.#sweeper.start();
  }

  async stop(): Promise<void> {
    await this.#sweeper.stop();
  }

  /** One piece; gives how many notifications it erased, 0 when nothing is left. */
  async sweep(): Promise<number> {
    const began = new Date();
    return this.#database.transaction(async (tx) => {
      const found = await tx.query<{ id: string }>(FIND_ERASABLE);
      if (found.length === 0) {
        await Erasures.swept(tx, began);
        return 0;
      }
      const ids = [...new Set(found.map(({ id }) => id))];
      for (const statement of [ERASE_NOTIFICATIONS, ERASE_ATTEMPTS, ERASE_DEAD_LETTERS, ERASE_TIMELINE]) {
        await tx.query(statement, [ids]);
      }
      erasedNotifications.inc(ids.length);
      this.#logger.info({ notifications: ids.length }, "Recipients' data was erased");
      return ids.length;
    });
  }
}
