import type { Admin } from 'kafkajs';
import { CONSUMER, READ_COMMITTED, type LowLevelCluster } from '../cluster/low-level.js';

export interface GroupPositions {
  readonly group: string;
  readonly members: number;
  /** What it reads next, by `topic/partition`; partitions that it has committed nothing of are not there. */
  readonly committed: ReadonlyMap<string, bigint>;
}

export interface PartitionRange {
  readonly topic: string;
  readonly partition: number;
  readonly leader: number;
  /** The oldest record that is left. */
  readonly low: bigint;
  /** The offset after the last one. */
  readonly high: bigint;
}

export interface Positions {
  readonly brokers: number;
  readonly groups: readonly GroupPositions[];
  /** By `topic/partition`. */
  readonly ranges: ReadonlyMap<string, PartitionRange>;
}

export const nameOf = (topic: string, partition: number): string => `${topic}/${partition}`;

/** ListOffsets takes these for the first and the last offset. */
const LATEST = -1;
const EARLIEST = -2;

/** Where every group and every partition of the cluster is. Rejects while a partition of the cluster has no leader. */
export async function readPositions(cluster: LowLevelCluster, admin: Admin): Promise<Positions> {
  await cluster.refreshMetadata();
  // Groups first: an end that is read later than a commit is never before it.
  const groups = await readGroups(admin);
  const { brokers, topicMetadata } = await cluster.metadata({ topics: [] });
  const partitions = topicMetadata
    .filter(({ topic }) => !topic.startsWith('__'))
    .flatMap(({ topic, partitionMetadata }) =>
      partitionMetadata.map(({ partitionId, leader }) => ({ topic, partition: partitionId, leader })),
    );
  const [lows, highs] = await Promise.all([
    readOffsets(cluster, partitions, EARLIEST),
    readOffsets(cluster, partitions, LATEST),
  ]);
  const ranges = new Map<string, PartitionRange>();
  for (const each of partitions) {
    const name = nameOf(each.topic, each.partition);
    const [low, high] = [lows.get(name), highs.get(name)];
    if (low !== undefined && high !== undefined) ranges.set(name, { ...each, low, high });
  }
  return { brokers: brokers.length, groups, ranges };
}

async function readGroups(admin: Admin): Promise<GroupPositions[]> {
  const { groups } = await admin.listGroups();
  const ids = groups.map(({ groupId }) => groupId);
  if (ids.length === 0) return [];
  const described = await admin.describeGroups(ids);
  return Promise.all(
    described.groups.map(async ({ groupId, members }) => {
      const topics = await admin.fetchOffsets({ groupId });
      const committed = topics.flatMap(({ topic, partitions }) =>
        partitions
          .filter(({ offset }) => !offset.startsWith('-'))
          .map(({ partition, offset }) => [nameOf(topic, partition), BigInt(offset)] as const),
      );
      return { group: groupId, members: members.length, committed: new Map(committed) };
    }),
  );
}

/** One request per leader. */
async function readOffsets(
  cluster: LowLevelCluster,
  partitions: readonly { topic: string; partition: number; leader: number }[],
  timestamp: number,
): Promise<Map<string, bigint>> {
  const answers = await Promise.all(
    [...Map.groupBy(partitions, ({ leader }) => leader)].map(async ([nodeId, ofLeader]) => {
      const broker = await cluster.findBroker({ nodeId });
      const { responses } = await broker.listOffsets({
        replicaId: CONSUMER,
        isolationLevel: READ_COMMITTED,
        topics: [...Map.groupBy(ofLeader, ({ topic }) => topic)].map(([topic, each]) => ({
          topic,
          partitions: each.map(({ partition }) => ({ partition, timestamp })),
        })),
      });
      return responses;
    }),
  );
  return new Map(
    answers
      .flat()
      .flatMap(({ topic, partitions: found }) =>
        found.map(({ partition, offset }) => [nameOf(topic, partition), BigInt(offset)] as const),
      ),
  );
}
