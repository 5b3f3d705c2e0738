import { DURATION_BUCKETS_SECONDS, registry } from '@bongsu/observability';
import { Counter, Gauge, Histogram } from 'prom-client';

const registers = [registry];

/** `result`: acknowledged, unavailable (given up or not acknowledged in time), refused (buffer full, no key, too large, no topic). */
export const producedRecords = new Counter({
  name: 'kafka_producer_records_total',
  help: 'Records that were handed to the producer, by what became of them for the caller',
  labelNames: ['topic', 'result'],
  registers,
});

export const producerBatchRecords = new Histogram({
  name: 'kafka_producer_batch_records',
  help: 'Records per send',
  buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
  registers,
});

/** Sends whose answer did not cover all partitions, although kafkajs called them done: ADR 0004. */
export const shortAcknowledgements = new Counter({
  name: 'kafka_producer_short_acknowledgements_total',
  help: 'Sends that were answered without all of their partitions, and completed by sending the rest again',
  registers,
});

export const producersDiscarded = new Counter({
  name: 'kafka_producer_discarded_total',
  help: 'Producers that were thrown away because a send of theirs was rejected for good',
  registers,
});

/** `result`: done, rejected (by the handler), unreadable, retried (the handler failed and got the record again). */
export const consumedRecords = new Counter({
  name: 'kafka_consumer_records_total',
  help: 'Records that were consumed, by result',
  labelNames: ['topic', 'group', 'result'],
  registers,
});

export const consumerBatchDuration = new Histogram({
  name: 'kafka_consumer_batch_duration_seconds',
  help: 'How long handlers take for one batch',
  labelNames: ['topic', 'group'],
  buckets: DURATION_BUCKETS_SECONDS,
  registers,
});

export const consumerLag = new Gauge({
  name: 'kafka_consumer_lag',
  help: 'Records between the committed offset and the end of the partition',
  labelNames: ['topic', 'partition', 'group'],
  registers,
});

export const consumerRebalances = new Counter({
  name: 'kafka_consumer_rebalances_total',
  help: 'Times that this member joined or joined again',
  labelNames: ['group'],
  registers,
});

export const consumerCrashes = new Counter({
  name: 'kafka_consumer_crashes_total',
  help: 'Times that the consumer crashed; restart says whether it was started again',
  labelNames: ['group', 'restart'],
  registers,
});

export const consumerOffsetResets = new Counter({
  name: 'kafka_consumer_offset_resets_total',
  help: 'Times that retention had passed the committed offset, so that records were never seen',
  labelNames: ['topic', 'group'],
  registers,
});

export const deadLetterRecords = new Counter({
  name: 'dead_letter_records_total',
  help: 'Records that were written to a dead-letter topic',
  labelNames: ['topic', 'reason'],
  registers,
});
