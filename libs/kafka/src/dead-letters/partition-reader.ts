import type { RawRecord } from '@bongsu/contracts';
import type { Admin, Kafka } from 'kafkajs';
import { CONSUMER, lowLevelCluster, READ_COMMITTED, type LowLevelCluster } from '../cluster/low-level.js';
import { rawRecord } from '../consumer/raw-record.js';

/** What a partition holds: from `low` to before `high`. */
export interface PartitionRange {
  readonly partition: number;
  readonly leader: number;
  readonly low: bigint;
  readonly high: bigint;
}

/** Bytes of one fetch; a larger record comes alone. */
const FETCH_BYTES = 1_048_576;
/** How long Kafka may wait for a record that should be there, milliseconds. */
const FETCH_WAIT_MS = 500;
const MAX_EMPTY = 10;

/** What a coordinator takes, besides what low-level.ts needs of brokers. */
interface Coordinator {
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: { topic: string; partitions: { partition: number; offset: string; metadata: string }[] }[];
  }): Promise<unknown>;
}
type WithCoordinators = LowLevelCluster & {
  findGroupCoordinator(group: { groupId: string }): Promise<Coordinator>;
};

/** How Kafka knows a commit of somebody who is no member: taken as long as the group has none. */
const NO_GENERATION = -1;

/**
 * Reads partitions from one offset to another and commits offsets, as no member of any group: there is nothing to wait for
 * and nothing to leave behind, and memory holds one fetch. Topics are named with their prefix.
 */
export class PartitionReader {
  readonly #admin: Admin;
  readonly #cluster: WithCoordinators;
  #connecting: Promise<void> | undefined;

  constructor(kafka: Kafka, admin: Admin) {
    this.#admin = admin;
    this.#cluster = lowLevelCluster(kafka) as WithCoordinators;
  }

  /** What each partition holds at this moment; undefined when the topic does not exist. */
  async ranges(topic: string): Promise<PartitionRange[] | undefined> {
    if (!(await this.#admin.listTopics()).includes(topic)) return undefined;
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
    const leaders = new Map(topics[0]?.partitions.map(({ partitionId, leader }) => [partitionId, leader]));
    const offsets = await this.#admin.fetchTopicOffsets(topic);
    return offsets
      .map(({ partition, low, high }) => ({
        partition,
        leader: leaders.get(partition) ?? -1,
        low: BigInt(low),
        high: BigInt(high),
      }))
      .toSorted((a, b) => a.partition - b.partition);
  }

  /** The records of a range, in order, fetch by fetch. Rejects when Kafka does not give what it said was there. */
  async *read(topic: string, { partition, leader, low, high }: PartitionRange): AsyncGenerator<RawRecord[]> {
    await (this.#connecting ??= this.#connect());
    let empty = 0;
    for (let next = low; next < high;) {
      const broker = await this.#cluster.findBroker({ nodeId: leader });
      const { responses } = await broker.fetch({
        replicaId: CONSUMER,
        isolationLevel: READ_COMMITTED,
        maxWaitTime: FETCH_WAIT_MS,
        minBytes: 1,
        maxBytes: FETCH_BYTES,
        topics: [{ topic, partitions: [{ partition, fetchOffset: String(next), maxBytes: FETCH_BYTES }] }],
      });
      // A fetch gives whole batches, so that it may begin before and end after what was asked for.
      const records = (responses[0]?.partitions[0]?.messages ?? [])
        .map((message) => rawRecord(topic, partition, message))
        .filter(({ offset }) => offset >= next && offset < high);
      if (records.length > 0) {
        yield records;
        next = records.at(-1)!.offset + 1n;
        empty = 0;
      } else if (++empty > MAX_EMPTY) {
        throw new Error(`${topic}/${partition} gives nothing from offset ${next} on, and ends at ${high}`);
      }
    }
  }

  /** Commits an offset for a group that has no members. */
  async commit(
    groupId: string,
    topic: string,
    partition: number,
    state: { offset: string; metadata: string },
  ): Promise<void> {
    await (this.#connecting ??= this.#connect());
    const coordinator = await this.#cluster.findGroupCoordinator({ groupId });
    await coordinator.offsetCommit({
      groupId,
      groupGenerationId: NO_GENERATION,
      memberId: '',
      topics: [{ topic, partitions: [{ partition, ...state }] }],
    });
  }

  async #connect(): Promise<void> {
    await this.#cluster.connect();
    await this.#cluster.refreshMetadata();
  }
}
