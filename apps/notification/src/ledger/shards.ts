import { transaction, type Tx } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';

/** Another process owns the shard now: what this one was about to write is no longer its to write. */
export class ShardLostError extends Error {
  constructor(shard: number) {
    super(`Shard ${shard} belongs to another worker now`);
    this.name = 'ShardLostError';
  }
}

/** Another process has taken this worker for dead. */
export class WorkerLostError extends Error {
  constructor(workerId: string) {
    super(`Worker ${workerId} was taken for dead`);
    this.name = 'WorkerLostError';
  }
}

/** A shard this worker owns. `catchingUp`: older work may wait in the ledger, so new work goes there too, behind it. */
interface OwnedShard {
  /** Taken over: the database has this worker's number. */
  taken: boolean;
  catchingUp: boolean;
  /** The last piece of work that wanted the shard for itself; what comes after waits for it. */
  tail: Promise<unknown>;
  /** What runs beside other such work; who wants the shard for itself waits for all of it. */
  readonly beside: Set<Promise<unknown>>;
}

/**
 * A shard is a partition number of the request topics; who consumes the partition owns the shard. The owner's number is in
 * the database and every transaction about new work reads it with a lock, so that of two processes that both believe
 * to be the consumer only the newer one can write.
 */
export class Shards {
  readonly #dataSource: DataSource;
  readonly #workerId: string;
  readonly #owned = new Map<number, OwnedShard>();
  /** What is still under way of shards that were lost. */
  readonly #leftovers = new Map<number, Promise<unknown>>();

  constructor(dataSource: DataSource, workerId: string) {
    this.#dataSource = dataSource;
    this.#workerId = workerId;
  }

  get owned(): number[] {
    return [...this.#owned.keys()];
  }

  get catchingUp(): number[] {
    return this.owned.filter((shard) => this.#owned.get(shard)?.catchingUp === true);
  }

  /** Whether this worker has the shard, and not only will have it again when what was under way of it has ended. */
  isTaken(shard: number): boolean {
    return this.#owned.get(shard)?.taken ?? false;
  }

  isCatchingUp(shard: number): boolean {
    return this.#owned.get(shard)?.catchingUp ?? true;
  }

  /** Nothing older waits any more. False when the shard was lost meanwhile, also when it is just coming back: others had it. */
  caughtUp(shard: number): boolean {
    const owned = this.#owned.get(shard);
    if (!owned?.taken) return false;
    owned.catchingUp = false;
    return true;
  }

  /**
   * The shard was assigned to another member of the group, or may have been. What is under way about it goes on, and should the
   * shard come back it is taken over only afterwards: a batch that then still came into the ledger, behind the look for what waits
   * there, would be overtaken by the next one.
   */
  lose(shard: number): void {
    const owned = this.#owned.get(shard);
    if (!owned) return;
    this.#owned.delete(shard);
    const rest = Promise.all([this.#leftovers.get(shard), owned.tail.then(noop, noop), ...owned.beside]).then(() => {
      if (this.#leftovers.get(shard) === rest) this.#leftovers.delete(shard);
    });
    this.#leftovers.set(shard, rest);
  }

  /**
   * Runs work about a shard alone: commands and catching up take turns with each other and with intake, so that a
   * cancellation and its request, or a claim and newer work, cannot miss one another. Takes the shard over first when it
   * is not owned yet.
   */
  exclusively<T>(shard: number, work: () => Promise<T>): Promise<T> {
    const owned = this.#get(shard);
    const run = this.#after(shard, owned, Promise.all([owned.tail, ...owned.beside]), work);
    owned.tail = run.then(noop, noop);
    return run;
  }

  /** Runs intake of one lane beside that of others: they have no order among them, and the urgent one must not wait. */
  beside<T>(shard: number, work: () => Promise<T>): Promise<T> {
    const owned = this.#get(shard);
    const run = this.#after(shard, owned, owned.tail, work);
    const ended = run.then(noop, noop);
    owned.beside.add(ended);
    void ended.then(() => owned.beside.delete(ended));
    return run;
  }

  /** Runs what waits for nothing else about these shards; who wants one for itself, or takes it over again, waits for it. */
  during<T>(shards: readonly number[], work: () => Promise<T>): Promise<T> {
    const run = work();
    const ended = run.then(noop, noop);
    for (const { beside } of shards.flatMap((shard) => this.#owned.get(shard) ?? [])) {
      beside.add(ended);
      void ended.then(() => beside.delete(ended));
    }
    return run;
  }

  async #after<T>(shard: number, owned: OwnedShard, before: Promise<unknown>, work: () => Promise<T>): Promise<T> {
    try {
      await before;
    } catch (error) {
      // Only the take-over rejects: without it nothing may be written, and the next try must take over again.
      if (this.#owned.get(shard) === owned) this.lose(shard);
      throw error;
    }
    return work();
  }

  #get(shard: number): OwnedShard {
    let owned = this.#owned.get(shard);
    if (!owned) {
      const taking: OwnedShard = { taken: false, catchingUp: true, tail: Promise.resolve(), beside: new Set() };
      taking.tail = this.#takeOver(shard).then(() => void (taking.taken = true));
      this.#owned.set(shard, (owned = taking));
    }
    return owned;
  }

  /** Only a worker that is not taken for dead may: what it leased afterwards would be nobody's to free. */
  async #takeOver(shard: number): Promise<void> {
    await this.#leftovers.get(shard);
    const taken = await transaction(this.#dataSource, (tx) => tx.query(TAKE_OVER, [shard, this.#workerId]));
    if (taken.length === 0) throw new WorkerLostError(this.#workerId);
  }

  /** The first statement of each transaction about new work of a shard. Throws ShardLostError. */
  async assertOwned(tx: Tx, shard: number): Promise<void> {
    const rows = await tx.query(OWNED, [shard, this.#workerId]);
    if (rows.length === 0) throw this.lost(shard);
  }

  /** What to throw when a statement found the shard in other hands; one of before the shard came back says nothing about now. */
  lost(shard: number): ShardLostError {
    if (this.#owned.get(shard)?.taken) this.lose(shard);
    return new ShardLostError(shard);
  }
}

const TAKE_OVER = {
  name: 'shard_take_over',
  text: `
    INSERT INTO shards (shard, worker_id)
    SELECT $1, id FROM (SELECT id FROM workers WHERE id = $2 FOR KEY SHARE) AS alive
    ON CONFLICT (shard) DO UPDATE SET worker_id = excluded.worker_id
    RETURNING shard`,
};
const OWNED = { name: 'shard_owned', text: 'SELECT 1 FROM shards WHERE shard = $1 AND worker_id = $2 FOR SHARE' };

function noop(): void {}
