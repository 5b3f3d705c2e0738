export { ClusterLook, type BrokerState, type GroupState } from './cluster/cluster-look.js';
export type { KafkaSettings } from './cluster/connection.js';
export { AccessAdmin, type FoundRight } from './access/access-admin.js';
export * from './access/rights.js';
export { KafkaPositions } from './cluster/positions.js';
export { refusalIn } from './cluster/refusals.js';
export { BatchContext } from './consumer/batch.js';
export type { BatchOutcome, EventBatch, RawBatch, RejectedRecord } from './consumer/batch.js';
export { ConsumerGroupMonitor } from './groups/monitor.js';
export type { PartitionLag } from './consumer/lag.js';
export {
  DeadLetterTopics,
  deadLetterTopics,
  type DeadLetterCount,
  type DeadLetterTopic,
} from './dead-letters/dead-letter-topics.js';
export type { Letter } from './dead-letters/letter.js';
export { OnBatch } from './consumer/on-batch.js';
export { KafkaBatchStrategy, type KafkaBatchStrategyOptions } from './consumer/strategy.js';
export type { ProducerSettings } from './producer/client.js';
export type { KafkaProducerOptions } from './producer/options.js';
export { KafkaProducer } from './producer/producer.js';
export type { OutgoingRecord, RawOutgoingRecord, RecordMetadata } from './producer/record.js';
export { CannotPlace, copiesData, type Move, type Placement } from './reassignment/place.js';
export { PartitionReassigner, type ReassignmentOptions, type ReassignmentPlan } from './reassignment/reassigner.js';
export { KafkaRecords } from './topics/kafka-records.js';
export * from './topics/plan.js';
export { TOPIC_SETTINGS } from './topics/settings.js';
export { TopicAdmin, type TopicAdminOptions, type TopicDescription } from './topics/topic-admin.js';
export { readTopic, type ReadTopicOptions } from './topics/read-topic.js';
