import type { Database } from '../database/database.js';
import {
  countDeadLetters,
  listDeadLetters,
  nextToRedrive,
  type DeadLetterFilter,
  type DeadLetterPlace,
  type DeadLetterRow,
  type RedrivableRow,
} from './sql/dead-letters.js';

/** Dead letters read at a time while they are redriven: what memory holds of a million. */
const PAGE = 1_000;

/** Reads the deliveries that ran out of attempts. Every method throws database_unavailable. */
export class DeadLetters {
  private readonly database: Database;

  constructor(database: Database) {
    this.database = database;
  }

  /** Newest first, after `after`. */
  list(filter: DeadLetterFilter, limit: number, after?: DeadLetterPlace): Promise<DeadLetterRow[]> {
    const { text, values } = listDeadLetters(filter, limit, after);
    return this.database.query<DeadLetterRow>(text, values);
  }

  /** How many match, up to `most`. */
  async count(filter: DeadLetterFilter, most: number): Promise<number> {
    const { text, values } = countDeadLetters(filter, most);
    const [row] = await this.database.query<{ matched: number }>(text, values);
    return row?.matched ?? 0;
  }

  /**
   * Up to `most` of those that match at this moment, the longest dead first, page by page. What dies meanwhile is left out:
   * of deliveries that fail as fast as they are redriven there would be no end.
   */
  async *pages(filter: DeadLetterFilter, most: number): AsyncGenerator<RedrivableRow[]> {
    const [newest] = await this.list(filter, 1);
    if (!newest) return;
    const until = { deadAt: newest.deadAt, id: newest.deliveryId };
    let after: RedrivableRow | undefined;
    for (let left = most; left > 0;) {
      const limit = Math.min(PAGE, left);
      const { text, values } = nextToRedrive(filter, limit, until, after);
      const rows = await this.database.query<RedrivableRow>(text, values);
      if (rows.length > 0) yield rows;
      if (rows.length < limit) return;
      after = rows.at(-1);
      left -= rows.length;
    }
  }
}
