import type { PartitionAssigner } from 'kafkajs';
import { AssignerProtocol } from '../cluster/kafkajs.js';

const { MemberAssignment, MemberMetadata } = AssignerProtocol;
const NAME = 'BongsuCoPartition';
const VERSION = 0;

export interface Subscriber {
  readonly memberId: string;
  readonly topics: readonly string[];
}

/** Partitions by topic, by member. */
export type Assignment = Map<string, Record<string, number[]>>;

/**
 * Gives partition i of every topic to the same member, so that what concerns one key is handled in one process: members
 * in the order of their ids, partition i to member i modulo their number. With more members than partitions the surplus
 * stands by. A topic is only given to members that subscribe to it: during a rolling upgrade not all know a new one.
 */
export function coPartition(subscribers: readonly Subscriber[], partitions: ReadonlyMap<string, number>): Assignment {
  const sorted = subscribers.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const assignment: Assignment = new Map(sorted.map(({ memberId }) => [memberId, {}]));
  for (const [topic, count] of [...partitions].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const members = sorted.filter(({ topics }) => topics.includes(topic));
    for (let partition = 0; members.length > 0 && partition < count; partition++) {
      const { memberId } = members[partition % members.length]!;
      (assignment.get(memberId)![topic] ??= []).push(partition);
    }
  }
  return assignment;
}

/** `coPartition` as a kafkajs assigner. */
export const coPartitionAssigner: PartitionAssigner = ({ cluster }) => ({
  name: NAME,
  version: VERSION,
  async assign({ members, topics }) {
    const subscribers = members.map(({ memberId, memberMetadata }) => ({
      memberId,
      topics: MemberMetadata.decode(memberMetadata)?.topics ?? topics,
    }));
    const partitions = new Map(topics.map((topic) => [topic, cluster.findTopicPartitionMetadata(topic).length]));
    return [...coPartition(subscribers, partitions)].map(([memberId, assignment]) => ({
      memberId,
      memberAssignment: MemberAssignment.encode({ version: VERSION, assignment, userData: Buffer.alloc(0) }),
    }));
  },
  protocol({ topics }) {
    return { name: NAME, metadata: MemberMetadata.encode({ version: VERSION, topics, userData: Buffer.alloc(0) }) };
  },
});
