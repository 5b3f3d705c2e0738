export { KafkaProducer, type KafkaProducerOptions } from './producer/producer.js';
export type { ProducerSettings } from './producer/client.js';
export type { OutgoingRecord, RawOutgoingRecord, RecordMetadata } from './producer/record.js';
export type { KafkaSettings } from './cluster/connection.js';
