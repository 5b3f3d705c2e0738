import type { Kafka, KafkaMessage } from 'kafkajs';

/** A broker as Metadata names it. */
export interface LiveBroker {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  /** Its `broker.rack`; null (or empty) when it has none. */
  readonly rack: string | null;
}

export interface TopicMetadata {
  readonly topic: string;
  readonly partitionMetadata: readonly {
    readonly partitionId: number;
    readonly leader: number;
    readonly replicas: readonly number[];
    /** Those of the replicas that have everything. */
    readonly isr: readonly number[];
  }[];
}

/** What kafkajs keeps below its admin client: requests that the admin client cannot make, or makes one topic at a time. */
export interface LowLevelCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  /** No topics: all of them. Throws when a single partition has no leader. */
  metadata(options: { topics: readonly string[] }): Promise<{ brokers: LiveBroker[]; topicMetadata: TopicMetadata[] }>;
  /** Learns which brokers there are; `findBroker` knows no others. */
  refreshMetadata(): Promise<void>;
  findBroker(node: { nodeId: number }): Promise<LowLevelBroker>;
}

export interface LowLevelBroker {
  /** What this broker has heard of. No topics: all of them. Throws when a single partition has no leader. */
  metadata(topics: readonly string[]): Promise<{ topicMetadata: TopicMetadata[] }>;
  listOffsets(request: {
    replicaId: number;
    isolationLevel: number;
    topics: { topic: string; partitions: { partition: number; timestamp: number }[] }[];
  }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
  fetch(request: {
    replicaId: number;
    isolationLevel: number;
    /** Milliseconds. */
    maxWaitTime: number;
    minBytes: number;
    maxBytes: number;
    topics: { topic: string; partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[];
  }): Promise<{ responses: { partitions: { messages: KafkaMessage[] }[] }[] }>;
}

/** Who asks: a client, not a replica. */
export const CONSUMER = -1;
export const READ_COMMITTED = 1;

interface WithCreateCluster {
  [createCluster: symbol]: (options: { metadataMaxAge: number; allowAutoTopicCreation: boolean }) => LowLevelCluster;
}

/** How old what is known of leaders may get, milliseconds. */
const METADATA_MAX_AGE_MS = 30_000;

/**
 * A cluster of this client, not connected yet. kafkajs (pinned, the last of its line) hands them to its producers, consumers
 * and admins by a private symbol, and to nobody else.
 */
export function lowLevelCluster(kafka: Kafka): LowLevelCluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find((each) => each.description === 'private:Kafka:createCluster');
  if (!symbol) throw new Error('This kafkajs makes its clusters in another way than 2.2.4');
  const create = (kafka as unknown as WithCreateCluster)[symbol]!;
  return create({ metadataMaxAge: METADATA_MAX_AGE_MS, allowAutoTopicCreation: false });
}
