export type { KafkaSettings } from './cluster/connection.js';
export { BatchContext } from './consumer/batch.js';
export type { BatchOutcome, EventBatch, RawBatch, RejectedRecord } from './consumer/batch.js';
export type { PartitionLag } from './consumer/lag.js';
export { OnBatch } from './consumer/on-batch.js';
export { KafkaBatchStrategy, groupIdOf, type KafkaBatchStrategyOptions } from './consumer/strategy.js';
export type { ProducerSettings } from './producer/client.js';
export { KafkaProducer, type KafkaProducerOptions } from './producer/producer.js';
export type { OutgoingRecord, RawOutgoingRecord, RecordMetadata } from './producer/record.js';
