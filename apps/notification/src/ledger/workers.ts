import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@bongsu/observability';
import { isRelayed, Outbox, query, relayBatch, transaction, type RelayTarget } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';

export const streamOf = (workerId: string): string => `worker-${workerId}`;

/**
 * This process as the ledger knows it: a number that is never used again, and a lease that is renewed as a whole. A
 * delivery's lease is its worker's number, so a million leases cost one small write every few seconds. Who lets the lease run
 * out is taken for dead, its outbox is closed and emptied by another, and its deliveries are free again.
 */
export class Worker {
  readonly id: string;
  readonly #dataSource: DataSource;
  readonly #leaseMs: number;
  readonly #logger: Logger;
  /** Until when the lease is certainly ours, by this process's monotonic clock. */
  #leasedUntil: number;
  #timer: NodeJS.Timeout | undefined;

  private constructor(id: string, dataSource: DataSource, leaseMs: number, logger: Logger, leasedUntil: number) {
    this.id = id;
    this.#dataSource = dataSource;
    this.#leaseMs = leaseMs;
    this.#logger = logger;
    this.#leasedUntil = leasedUntil;
  }

  get stream(): string {
    return streamOf(this.id);
  }

  static async register(dataSource: DataSource, leaseMs: number, logger: Logger): Promise<Worker> {
    const asked = performance.now();
    const id = await transaction(dataSource, async (tx) => {
      const [row] = await tx.query<{ id: string }>(
        "INSERT INTO workers (host, alive_until) VALUES ($1, now() + $2 * interval '1 millisecond') RETURNING id",
        [`${hostname()}/${process.pid}`, leaseMs],
      );
      if (!row) throw new Error('The ledger gave no worker number');
      await Outbox.open(tx, streamOf(row.id));
      return row.id;
    });
    return new Worker(id, dataSource, leaseMs, logger, asked + leaseMs);
  }

  /** Renews the lease until `stop`. `onLost` is called once when another process has taken this worker for dead. */
  start(onLost: () => void): void {
    const renew = async (): Promise<void> => {
      const asked = performance.now();
      try {
        const rows = await query(
          this.#dataSource,
          "UPDATE workers SET alive_until = now() + $2 * interval '1 millisecond' WHERE id = $1 RETURNING id",
          [this.id, this.#leaseMs],
        );
        if (rows.length === 0) return onLost();
        // Counted from before the question: the answer may have been long on its way.
        this.#leasedUntil = asked + this.#leaseMs;
      } catch (error) {
        this.#logger.warn({ err: error }, 'The lease could not be renewed');
      }
      this.#timer = setTimeout(() => void renew(), this.#leaseMs / 5);
    };
    this.#timer = setTimeout(() => void renew(), this.#leaseMs / 5);
  }

  /** Whether an attempt may start: with a fifth of the lease left, so that a stopped and woken process does not start late. */
  get mayStart(): boolean {
    return performance.now() < this.#leasedUntil - this.#leaseMs / 5;
  }

  stopRenewing(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Leaves in good order: everything was settled, given back and relayed. While Kafka is away the last is not so: to close the
   * outbox then would lose facts, so the lease ends at once instead, and who takes over relays them.
   */
  async leave(): Promise<void> {
    this.stopRenewing();
    if (await transaction(this.#dataSource, (tx) => isRelayed(tx, this.stream))) {
      await release(this.#dataSource, this.id);
    } else {
      await query(this.#dataSource, 'UPDATE workers SET alive_until = now() WHERE id = $1', [this.id]);
    }
  }
}

/**
 * Looks for workers whose lease has run out and clears up after them: first their outbox is closed, so that the dead one can
 * write nothing more should it wake; then what they had committed is relayed, so that facts stay in order; then their
 * deliveries are free. Each step may be repeated by another if this process dies in between. Gives the numbers cleared.
 */
export async function reapDeadWorkers(
  dataSource: DataSource,
  self: string,
  producer: RelayTarget,
  logger: Logger,
): Promise<string[]> {
  const dead = await query<{ id: string; host: string }>(
    dataSource,
    'SELECT id, host FROM workers WHERE alive_until < now() AND id <> $1 ORDER BY id',
    [self],
  );
  const reaped: string[] = [];
  for (const { id, host } of dead) {
    logger.warn({ worker: id, host }, 'A worker let its lease run out: taking over its deliveries');
    await query(dataSource, 'DELETE FROM outbox_streams WHERE stream = $1', [streamOf(id)]);
    if (!(await relayRest(dataSource, streamOf(id), producer))) continue;
    await release(dataSource, id);
    reaped.push(id);
  }
  return reaped;
}

/**
 * Frees deliveries that are leased to a worker that is no longer there. There should be none; should there be, for whatever
 * reason, they would never end. Gives their number.
 */
export async function freeOrphans(dataSource: DataSource): Promise<number> {
  const freed = await query(
    dataSource,
    `UPDATE deliveries d SET worker_id = NULL
      WHERE d.worker_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = d.worker_id)
     RETURNING d.id`,
  );
  return freed.length;
}

/** Empties a closed stream; false when another process is at it, which will do the rest too. */
async function relayRest(dataSource: DataSource, stream: string, producer: RelayTarget): Promise<boolean> {
  for (let idle = 0; idle < 5;) {
    const { sent } = await relayBatch({ dataSource, stream, producer, batch: RELAYED_AT_ONCE });
    if (sent > 0) continue;
    const [left] = await query<{ waiting: boolean }>(
      dataSource,
      `SELECT EXISTS (SELECT 1 FROM outbox o JOIN outbox_relays r USING (stream) WHERE o.stream = $1 AND o.seq > r.relayed_seq) AS waiting`,
      [stream],
    );
    if (!left?.waiting) return true;
    idle++;
    await sleep(100);
  }
  return false;
}

/** Facts of a dead worker in one batch, at most. */
const RELAYED_AT_ONCE = 1000;

async function release(dataSource: DataSource, workerId: string): Promise<void> {
  await transaction(dataSource, async (tx) => {
    // The shards first: a transaction of that worker that still leases deliveries holds their rows, and must be waited for.
    await tx.query('UPDATE shards SET worker_id = NULL WHERE worker_id = $1', [workerId]);
    await tx.query('UPDATE deliveries SET worker_id = NULL WHERE worker_id = $1', [workerId]);
    await Outbox.close(tx, streamOf(workerId));
    await tx.query('DELETE FROM workers WHERE id = $1', [workerId]);
  });
}
