import { REDRIVEN, type OutgoingRecord, type RedriveRequested } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { Outbox, transaction } from '@bongsu/persistence';
import type { DataSource } from '../database/data-source.js';
import { toLeased, type ClaimedRow } from '../ledger/delivery.js';
import type { Shards } from '../ledger/shards.js';
import type { Worker } from '../ledger/workers.js';
import { factRecord } from '../settle/facts.js';
import { COUNT_KNOWN, REDRIVE } from './sql/redrive.js';

/** What the redriving of one batch came to, in deliveries. */
export interface Redriven {
  readonly redriven: number;
  /** Not dead any more, or dead anew (redriven by an earlier command), or erased. */
  readonly superseded: number;
  /** Older than the ledger's retention. */
  readonly unknown: number;
}

type RedrivenRow = ClaimedRow & { due: Date };

/**
 * Brings dead deliveries back to life: they are `retrying`, due at their command's `notBefore`, with their retry schedule from
 * the start. Their attempts are counted on, so that each attempt of a delivery has a number of its own. Nothing is leased:
 * the claim finds them when they are due, however many there are. One whose `expiresAt` has passed ends as `expired` then.
 * One of a sender's strict order (`orderingKey`) runs when it is due, after whatever went ahead of it meanwhile.
 */
export class Redrive {
  readonly #dataSource: DataSource;
  readonly #worker: Worker;
  readonly #shards: Shards;
  readonly #logger: Logger;

  constructor(dataSource: DataSource, worker: Worker, shards: Shards, logger: Logger) {
    this.#dataSource = dataSource;
    this.#worker = worker;
    this.#shards = shards;
    this.#logger = logger;
  }

  /**
   * Redrives what a batch of a shard asks for, in one transaction with the facts about it. The same batch again changes
   * nothing. Throws ShardLostError, StreamClosedError.
   */
  async redrive(shard: number, commands: readonly RedriveRequested[]): Promise<Redriven> {
    const outcome = await this.#shards.exclusively(shard, () => this.#write(shard, firstOfEach(commands)));
    this.#logger.info({ shard, commands: commands.length, ...outcome }, 'Dead letters were redriven');
    return outcome;
  }

  async #write(shard: number, asked: readonly RedriveRequested[]): Promise<Redriven> {
    const ids = asked.map(({ deliveryId }) => deliveryId);
    return transaction(this.#dataSource, async (tx) => {
      await this.#shards.assertOwned(tx, shard);
      const rows = await tx.query<RedrivenRow>(REDRIVE, [
        ids,
        asked.map(({ tenant }) => tenant),
        asked.map(({ version }) => version),
        asked.map(({ notBefore }) => notBefore),
        ids.reduce((least, id) => (id < least ? id : least)),
        ids.reduce((most, id) => (id > most ? id : most)),
      ]);
      await Outbox.append(tx, this.#worker.stream, rows.map(redrivenFact));
      if (rows.length === asked.length) return { redriven: rows.length, superseded: 0, unknown: 0 };
      const distinct = [...new Set(ids)];
      const [found] = await tx.query<{ known: number }>(COUNT_KNOWN, [distinct]);
      const unknown = distinct.length - (found?.known ?? 0);
      return { redriven: rows.length, superseded: asked.length - rows.length - unknown, unknown };
    });
  }
}

/**
 * Commands about the same dead letter may be in one batch; a statement may not touch a row twice, and the first one counts.
 * Ids are brought into our spelling, in which they can be compared.
 */
function firstOfEach(commands: readonly RedriveRequested[]): RedriveRequested[] {
  const first = new Map<string, RedriveRequested>();
  for (const command of commands) {
    const deliveryId = command.deliveryId.toLowerCase();
    const letter = `${deliveryId} ${command.version}`;
    if (!first.has(letter)) first.set(letter, { ...command, deliveryId });
  }
  return [...first.values()];
}

function redrivenFact(row: RedrivenRow): OutgoingRecord {
  const delivery = toLeased(row);
  const decision = {
    status: 'retrying',
    ended: false,
    attempts: delivery.attempts,
    nextAttemptAt: row.due,
    reason: REDRIVEN,
  } as const;
  return factRecord(delivery, decision, delivery.version, new Date());
}
