import type { Logger } from '@bongsu/observability';
import { backoffMs, sleep } from '../cluster/backoff.js';
import type { Generation, Membership } from './membership.js';
import type { TopicPartition } from './partition-pauses.js';

/**
 * The least time between two commits of a member, milliseconds. Each is a write to a topic of Kafka's own: one per partition
 * of each fetch were 250 per second, and a fifth of the machine. What a process that dies has done and not committed
 * comes again, which it may in any case.
 */
const APART_MS = 50;

/** The offsets of partitions, as kafkajs takes them. */
export interface CommittedOffsets {
  topics: { topic: string; partitions: { partition: number; offset: string }[] }[];
}

export interface OffsetCommitsOptions {
  readonly send: (offsets: CommittedOffsets) => Promise<void>;
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
  #running: Promise<void> | undefined;
  readonly #rest = new AbortController();

  constructor(options: OffsetCommitsOptions) {
    this.#options = options;
  }

  /** @param next the first offset of the partition that has not been done */
  add(at: TopicPartition, next: bigint): void {
    this.#waiting.set(`${at.topic}/${at.partition}`, { at, next });
    this.#running ??= this.#run();
  }

  /** Commits at once what is left, and from now on without a rest. */
  async flush(): Promise<void> {
    this.#rest.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    // What ends in the same turn of the event loop goes together.
    await new Promise(setImmediate);
    while (this.#waiting.size > 0) {
      const offsets = offsetsOf([...this.#waiting.values()]);
      this.#waiting = new Map();
      await this.#commit(offsets);
      await sleep(APART_MS, this.#rest.signal);
    }
    this.#running = undefined;
  }

  /** Ends without having committed when the generation has ended: what was done comes again, to whoever has it now. */
  async #commit(offsets: CommittedOffsets): Promise<void> {
    const { send, generation, membership, closing, logger } = this.#options;
    for (let attempt = 0; !generation.lost && membership.current === generation; attempt++) {
      try {
        await send(offsets);
        membership.alive();
        return;
      } catch (error) {
        if (membership.note(generation, error) || closing.aborted) return;
        // The work is done, only Kafka does not know it yet; doing it again would cost more than waiting.
        logger.warn({ err: error, ...offsets }, 'Offsets cannot be committed; trying again');
        await sleep(backoffMs(attempt, 100, 1_000), generation.signal);
      }
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
