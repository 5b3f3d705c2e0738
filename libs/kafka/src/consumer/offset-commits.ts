import type { Logger } from '@bongsu/observability';
import { backoffMs, sleep, within } from '../cluster/backoff.js';
import type { Generation, Membership } from './membership.js';
import type { TopicPartition } from './partition-pauses.js';

/**
 * The least time between two commits of a member, milliseconds. Each is a write to a topic of Kafka's own: one per partition
 * of each fetch were 250 per second, and a fifth of the machine. What a process that dies has done and not committed
 * comes again, which it may in any case.
 */
const APART_MS = 50;
/**
 * A commit without an answer is tried again after this time, milliseconds; Kafka itself answers or is given up within 4 s. kafkajs can
 * lose a request together with the timer that would end it, while heartbeats go on over a new connection: nothing would be
 * committed any more for as long as the generation lasts, and nobody waits for it and notices.
 */
const UNANSWERED_MS = 15_000;

/** The offsets of partitions, as kafkajs takes them. */
export interface CommittedOffsets {
  topics: { topic: string; partitions: { partition: number; offset: string }[] }[];
}

/** Sends a commit to Kafka. */
export type SendCommit = (offsets: CommittedOffsets) => Promise<void>;

export interface OffsetCommitsOptions {
  readonly generation: Generation;
  readonly membership: Pick<Membership, 'alive' | 'current' | 'note'>;
  /** Aborted when the member leaves. */
  readonly closing: AbortSignal;
  readonly logger: Logger;
}

/**
 * Commits what has been done, for all partitions of a generation together: one commit is under way, what is done meanwhile is in the
 * next. Nobody waits for it but who leaves.
 */
export class OffsetCommits {
  readonly #options: OffsetCommitsOptions;
  #waiting = new Map<string, { at: TopicPartition; next: bigint }>();
  /** Since when something has not been committed, by the monotonic clock. */
  #behindSince: number | undefined;
  /** Only while there is something to commit: kafkajs' way to do it keeps the whole fetch in memory that it came with. */
  #send: SendCommit | undefined;
  #running: Promise<void> | undefined;
  readonly #rest = new AbortController();

  constructor(options: OffsetCommitsOptions) {
    this.#options = options;
  }

  /** @param next the first offset of the partition that has not been done */
  add(at: TopicPartition, next: bigint, send: SendCommit): void {
    this.#waiting.set(`${at.topic}/${at.partition}`, { at, next });
    this.#send = send;
    this.#behindSince ??= performance.now();
    this.#running ??= this.#run();
  }

  /** For how long no commit has succeeded of those that were due, milliseconds. */
  get behindMs(): number {
    return this.#behindSince === undefined ? 0 : performance.now() - this.#behindSince;
  }

  /** Commits at once what is left, and from now on without a rest. */
  async flush(): Promise<void> {
    this.#rest.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    // What ends in the same turn of the event loop goes together.
    await new Promise(setImmediate);
    for (let failures = 0; this.#waiting.size > 0;) {
      const done = this.#waiting;
      this.#waiting = new Map();
      if (await this.#commit(offsetsOf([...done.values()]))) {
        failures = 0;
        this.#behindSince = this.#waiting.size > 0 ? performance.now() : undefined;
        await sleep(APART_MS, this.#rest.signal);
      } else {
        // With what was done meanwhile: where Kafka refuses one partition, the others must not stay where they were.
        this.#waiting = new Map([...done, ...this.#waiting]);
        await sleep(backoffMs(failures++, 100, 1_000), this.#options.generation.signal);
      }
    }
    this.#send = undefined;
    this.#behindSince = undefined;
    this.#running = undefined;
  }

  /**
   * False when it has to be tried again. Ends without having committed when the generation has ended: what was done comes again, to
   * whoever has it now.
   */
  async #commit(offsets: CommittedOffsets): Promise<boolean> {
    const { generation, membership, closing, logger } = this.#options;
    if (generation.lost || membership.current !== generation) return true;
    try {
      const answered = within(
        UNANSWERED_MS,
        this.#send!(offsets).then(() => true),
      );
      if (!(await answered)) throw new Error('Kafka does not answer');
      membership.alive();
      return true;
    } catch (error) {
      if (membership.note(generation, error) || closing.aborted) return true;
      // The work is done, only Kafka does not know it yet; doing it again would cost more than waiting.
      logger.warn({ err: error, ...offsets }, 'Offsets cannot be committed; trying again');
      return false;
    }
  }
}

function offsetsOf(done: readonly { at: TopicPartition; next: bigint }[]): CommittedOffsets {
  const topics = Map.groupBy(done, ({ at }) => at.topic);
  return {
    topics: [...topics].map(([topic, of]) => ({
      topic,
      partitions: of.map(({ at, next }) => ({ partition: at.partition, offset: String(next) })),
    })),
  };
}
