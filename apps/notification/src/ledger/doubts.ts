import { query } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { givenOf } from './accepted.js';
import type { LeasedDelivery } from './delivery.js';
import { STILL_LEASED } from './sql/still-leased.js';

/**
 * Deliveries of batches whose intake failed: when the connection broke, the statement may have been committed all the same.
 * Then the batch, when it comes again, is known already, and its deliveries are leased to this worker, which has them nowhere:
 * nobody would ever start them.
 */
export class Doubts {
  readonly #dataSource: DataSource;
  readonly #workerId: string;
  /** Their shards, by delivery. */
  readonly #ids = new Map<string, number>();

  constructor(dataSource: DataSource, workerId: string) {
    this.#dataSource = dataSource;
    this.#workerId = workerId;
  }

  /** Takes in what gives the started ones of these deliveries, and those that an earlier try had leased. */
  async resolve(
    deliveries: readonly LeasedDelivery[],
    takeIn: () => Promise<LeasedDelivery[]>,
  ): Promise<LeasedDelivery[]> {
    const doubtful = deliveries.filter(({ id }) => this.#ids.has(id));
    try {
      const started = await takeIn();
      if (doubtful.length === 0) return started;
      const known = new Set(started.map(({ id }) => id));
      const found = await this.#stillLeased(doubtful.filter(({ id }) => !known.has(id)));
      for (const { id } of doubtful) this.#ids.delete(id);
      return [...found, ...started];
    } catch (error) {
      for (const { id, shard } of deliveries) this.#ids.set(id, shard);
      throw error;
    }
  }

  /** Gives those of a shard, and has none of it any more. */
  forget(shard: number): string[] {
    const ids = [...this.#ids].filter(([, of]) => of === shard).map(([id]) => id);
    for (const id of ids) this.#ids.delete(id);
    return ids;
  }

  async #stillLeased(deliveries: readonly LeasedDelivery[]): Promise<LeasedDelivery[]> {
    const rows = await query<{ id: string; cancelled: boolean }>(this.#dataSource, STILL_LEASED, [
      this.#workerId,
      deliveries.map(({ id }) => id),
    ]);
    return givenOf(deliveries, rows);
  }
}
