import { Kafka, logLevel } from 'kafkajs';
import type { AuditSettings } from '../../../apps/audit/src/settings.js';

/** Does what retention does in time: Kafka forgets everything that a topic holds at this moment. */
export async function deleteRecords(settings: AuditSettings, declared: string): Promise<void> {
  const topic = settings.KAFKA_TOPIC_PREFIX + declared;
  const admin = new Kafka({ brokers: settings.KAFKA_BROKERS, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const partitions = (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({ partition, offset: high }));
  await admin.deleteTopicRecords({ topic, partitions });
  await admin.disconnect();
}
