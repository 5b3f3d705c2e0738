import type { Logger } from '@bongsu/observability';
import type { Admin } from 'kafkajs';
import { AdminLink } from '../cluster/admin-link.js';
import type { KafkaSettings } from '../cluster/connection.js';
import { consumerLag } from '../metrics.js';
import type { TopicPartition } from './partition-pauses.js';

/** Two questions per topic. */
const ANSWER_WITHIN_MS = 15_000;

/** How far a group is behind in one partition. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** The offset that is read next; undefined when the group has not committed any. */
  readonly committed: bigint | undefined;
  readonly end: bigint;
  /** Records between the two; from the oldest record left when nothing was committed. */
  readonly lag: bigint;
}

/** Asks Kafka how far a group is behind in the topics. Names are as Kafka knows them. */
export async function fetchLag(admin: Admin, groupId: string, topics: readonly string[]): Promise<PartitionLag[]> {
  if (topics.length === 0) return [];
  const committed = await admin.fetchOffsets({ groupId, topics: [...topics] });
  const lags: PartitionLag[] = [];
  for (const { topic, partitions } of committed) {
    const ends = new Map((await admin.fetchTopicOffsets(topic)).map((each) => [each.partition, each]));
    for (const { partition, offset } of partitions) {
      const range = ends.get(partition);
      if (!range) continue;
      const [end, next] = [BigInt(range.high), BigInt(offset)];
      const behind = end - (next < 0n ? BigInt(range.low) : next);
      lags.push({
        topic,
        partition,
        committed: next < 0n ? undefined : next,
        end,
        lag: behind > 0n ? behind : 0n,
      });
    }
  }
  return lags;
}

/** Keeps the lag metric current while nothing is fetched: paused, waiting, or with a handler that takes its time. */
export class LagReporter {
  readonly #groupId: string;
  readonly #assigned: () => readonly TopicPartition[];
  readonly #logger: Logger;
  readonly #link: AdminLink;
  readonly #timer: NodeJS.Timeout;
  #asking = false;
  #shown: readonly TopicPartition[] = [];

  constructor(options: {
    settings: KafkaSettings;
    clientId: string;
    groupId: string;
    logger: Logger;
    everyMs: number;
    assigned: () => readonly TopicPartition[];
  }) {
    this.#groupId = options.groupId;
    this.#assigned = options.assigned;
    this.#logger = options.logger;
    this.#link = new AdminLink(options);
    this.#timer = setInterval(() => void this.#report(), options.everyMs);
    this.#timer.unref();
  }

  set(at: TopicPartition, lag: bigint): void {
    consumerLag.set({ topic: at.topic, partition: at.partition, group: this.#groupId }, Number(lag));
  }

  /** Takes the partitions of the last assignment out of the metrics: another member reports them now. */
  clear(): void {
    for (const { topic, partition } of this.#shown) consumerLag.remove({ topic, partition, group: this.#groupId });
    this.#shown = this.#assigned();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#link.close();
    this.clear();
  }

  async #report(): Promise<void> {
    const assigned = this.#assigned();
    if (this.#asking || assigned.length === 0) return;
    this.#asking = true;
    try {
      const topics = [...new Set(assigned.map(({ topic }) => topic))];
      const lags = await this.#link.ask((admin) => fetchLag(admin, this.#groupId, topics), ANSWER_WITHIN_MS);
      const current = this.#assigned();
      for (const each of lags) {
        const isOurs = current.some(({ topic, partition }) => topic === each.topic && partition === each.partition);
        if (isOurs) this.set(each, each.lag);
      }
    } catch (error) {
      this.#logger.debug({ err: error }, 'The lag cannot be asked for');
    } finally {
      this.#asking = false;
    }
  }
}
