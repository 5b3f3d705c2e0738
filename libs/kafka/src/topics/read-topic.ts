import { randomUUID } from 'node:crypto';
import type { RawRecord } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { EachBatchPayload, Kafka } from 'kafkajs';
import { within } from '../cluster/backoff.js';
import { KafkaConnection, RIDE_OUT, type KafkaSettings } from '../cluster/connection.js';
import { rawRecord } from '../consumer/raw-record.js';

export interface ReadTopicOptions {
  readonly settings: KafkaSettings;
  /** The declared name. */
  readonly topic: string;
  readonly logger: Logger;
  /** Default 30 s. */
  readonly timeoutMs?: number;
}

/**
 * Every record that a topic holds at this moment, by partition and offset, without a trace in any group. Everything is held
 * in memory: for operators and tests, not for services. Rejects when it takes longer than the timeout.
 */
export async function readTopic(options: ReadTopicOptions): Promise<RawRecord[]> {
  const { settings, topic, logger, timeoutMs = 30_000 } = options;
  const connection = new KafkaConnection({ settings, clientId: 'bongsu-reader', logger, retry: RIDE_OUT });
  try {
    const records = await within(timeoutMs, readToEnd(connection.kafka, settings.KAFKA_TOPIC_PREFIX, topic));
    if (!records) throw new Error(`Topic ${topic} could not be read to its end within ${timeoutMs} ms`);
    return records.toSorted((a, b) => a.partition - b.partition || Number(a.offset - b.offset));
  } finally {
    connection.cut();
  }
}

async function readToEnd(kafka: Kafka, prefix: string, topic: string): Promise<RawRecord[]> {
  const admin = kafka.admin();
  await admin.connect();
  const missing = new Map<number, bigint>();
  for (const { partition, low, high } of await admin.fetchTopicOffsets(prefix + topic))
    if (BigInt(high) > BigInt(low)) missing.set(partition, BigInt(high));
  const records: RawRecord[] = [];
  if (missing.size === 0) return records;
  const groupId = `bongsu-reader-${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [prefix + topic], fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    const eachBatch = async ({ batch }: EachBatchPayload): Promise<void> => {
      const end = missing.get(batch.partition) ?? 0n;
      for (const message of batch.messages)
        if (BigInt(message.offset) < end) records.push(rawRecord(topic, batch.partition, message));
      if (BigInt(batch.lastOffset()) + 1n >= end) missing.delete(batch.partition);
      if (missing.size === 0) resolve();
    };
    consumer.run({ autoCommit: false, eachBatch }).catch(reject);
  });
  await consumer.disconnect();
  await admin.deleteGroups([groupId]).catch(() => undefined); // It held no offsets and goes away by itself.
  return records;
}
