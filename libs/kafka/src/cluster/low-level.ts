import type { Kafka, KafkaMessage } from 'kafkajs';

/** A broker as Metadata names it. */
export interface LiveBroker {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  /** Its `broker.rack`; null (or empty) when it has none. */
  readonly rack: string | null;
}

/** What kafkajs keeps below its admin client: requests that the admin client cannot make, or makes one topic at a time. */
export interface LowLevelCluster {
  connect(): Promise<void>;
  metadata(options: { topics: readonly string[] }): Promise<{ brokers: LiveBroker[]; controllerId: number }>;
  refreshMetadata(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  /** Throws for a topic that is unknown. */
  findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[];
  /** ListOffsets of many topics, one request per leader. */
  fetchTopicsOffset(
    topics: readonly { topic: string; fromBeginning: boolean; partitions: { partition: number }[] }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
  findBroker(node: { nodeId: number }): Promise<{
    fetch(request: {
      replicaId: number;
      isolationLevel: number;
      maxWaitTime: number;
      minBytes: number;
      maxBytes: number;
      topics: { topic: string; partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[];
    }): Promise<{ responses: { partitions: { messages: KafkaMessage[] }[] }[] }>;
  }>;
}

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
