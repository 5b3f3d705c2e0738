import type { NotificationRequested } from '@bongsu/contracts';
import type { EventBatch, RejectedRecord } from '@bongsu/kafka';
import type { Logger } from '@bongsu/observability';
import { GroupCommit, type Tx } from '@bongsu/persistence';
import type { Database } from '../database/database.js';
import { applyCommands, applyFacts, applyRequests } from './apply.js';
import { commandRows, factRows, requestRows, type Command, type Fact, type Row, type Sorted } from './rows.js';
import { ADVANCE_POSITIONS, CLAIM_POSITIONS } from './sql/positions.js';

/** Called after each transaction, which took so long: what comes next waits until it resolves. */
export type Rest = (workMs: number, records: number, signal: AbortSignal) => Promise<void>;

/** How the read model gives way to those who wait for an answer. */
export interface Manners {
  /** Records in one transaction, after which no further batch joins it. */
  readonly enough: () => number;
  readonly afterBulk: Rest;
  readonly afterFacts: Rest;
}

/** A Kafka batch, and what of it fits the read model. */
interface Piece<T> {
  readonly batch: EventBatch;
  readonly rows: Row<T>[];
}

type Apply<T> = (tx: Tx, rows: Row<T>[]) => Promise<void>;

/**
 * Writes the read model: one transaction for the batches of all partitions that came meanwhile, with the partitions' positions in
 * it, so that a record counts once however often it comes, and a reader can tell how far the model is. What differs in who
 * waits for it has transactions of its own.
 */
export class Projection {
  private readonly database: Database;
  private readonly logger: Logger;
  private readonly prompt: GroupCommit<Piece<NotificationRequested>>;
  private readonly bulk: GroupCommit<Piece<NotificationRequested>>;
  private readonly commanded: GroupCommit<Piece<Command>>;
  private readonly told: GroupCommit<Piece<Fact>>;

  constructor(database: Database, logger: Logger, manners: Manners) {
    this.database = database;
    this.logger = logger;
    const { enough, afterBulk, afterFacts } = manners;
    this.prompt = this.committing(applyRequests, enough);
    this.bulk = this.committing(applyRequests, enough, afterBulk);
    this.commanded = this.committing(applyCommands, enough);
    this.told = this.committing(applyFacts, enough, afterFacts);
  }

  requests(batch: EventBatch): Promise<readonly RejectedRecord[]> {
    return project(batch, requestRows(batch), this.prompt);
  }

  /** Requests that give way to others. */
  bulkRequests(batch: EventBatch): Promise<readonly RejectedRecord[]> {
    return project(batch, requestRows(batch), this.bulk);
  }

  commands(batch: EventBatch): Promise<readonly RejectedRecord[]> {
    return project(batch, commandRows(batch), this.commanded);
  }

  facts(batch: EventBatch): Promise<readonly RejectedRecord[]> {
    return project(batch, factRows(batch), this.told);
  }

  private committing<T>(apply: Apply<T>, enough: () => number, rest?: Rest): GroupCommit<Piece<T>> {
    const recordsOf = ({ batch }: Piece<T>): number => batch.records.length;
    return new GroupCommit({
      commit: (pieces) => this.commit(pieces, apply),
      nameOf: ({ batch }) => nameOf(batch.topic.name, batch.partition),
      sizeOf: recordsOf,
      enough,
      ...(rest && {
        rest: (pieces, tookMs) =>
          rest(
            tookMs,
            pieces.map(recordsOf).reduce((sum, each) => sum + each),
            pieces[0]!.batch.signal,
          ),
      }),
    });
  }

  private async commit<T>(pieces: readonly Piece<T>[], apply: Apply<T>): Promise<void[]> {
    const partitions = [pieces.map(({ batch }) => batch.topic.name), pieces.map(({ batch }) => batch.partition)];
    const ends = pieces.map(({ batch }) => batch.records.at(-1)!.raw.offset + 1n);
    await this.database.transaction(async (tx) => {
      const claimed = await tx.query<Position>(CLAIM_POSITIONS, partitions);
      const positions = new Map(claimed.map((each) => [nameOf(each.topic, each.partition), BigInt(each.nextOffset)]));
      const nextOf = ({ batch }: Piece<T>): bigint => {
        const next = positions.get(nameOf(batch.topic.name, batch.partition)) ?? 0n;
        return this.beginsAnew(batch, next) ? 0n : next;
      };
      const nexts = pieces.map(nextOf);
      const fresh = pieces.flatMap(({ rows }, i) => rows.filter(({ record }) => record.raw.offset >= nexts[i]!));
      if (fresh.length > 0) await apply(tx, fresh);
      const reached = ends.map((end, i) => (end > nexts[i]! ? end : nexts[i]!));
      await tx.query(ADVANCE_POSITIONS, [...partitions, reached.map(String)]);
    });
    return pieces.map(() => undefined);
  }

  /** A position beyond the partition's end is one of a topic that was deleted and made anew (or our batch is an old one). */
  private beginsAnew({ topic, partition, highWatermark, signal }: EventBatch, next: bigint): boolean {
    if (next <= highWatermark || signal.aborted) return false;
    this.logger.error({ topic: topic.name, partition }, 'the topic begins anew: so does its position');
    return true;
  }
}

interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: string;
}

async function project<T>(
  batch: EventBatch,
  { rows, rejected }: Sorted<T>,
  commits: GroupCommit<Piece<T>>,
): Promise<readonly RejectedRecord[]> {
  await commits.add({ batch, rows });
  return rejected;
}

const nameOf = (topic: string, partition: number): string => `${topic}/${partition}`;
