import { integer, type Setting } from '@bongsu/config';
import type { TopicOverrides } from './plan.js';

const MAX_PARTITIONS = 100_000;
const MAX_REPLICAS = 32_767;

const overrides: Setting<TopicOverrides> = {
  description: 'topics that differ from their declaration: name:partitions:replicas, comma-separated',
  fallback: '',
  parse: parseTopicOverrides,
};

/** Settings of what creates the topics. */
export const TOPIC_SETTINGS = {
  KAFKA_TOPICS: overrides,
  KAFKA_REPLICATION_FACTOR: integer(1, MAX_REPLICAS)('on how many brokers each record is kept', '1'),
} as const;

/** Reads `name:partitions:replicas, …`; throws an Error whose message completes "KAFKA_TOPICS …". */
export function parseTopicOverrides(text: string): TopicOverrides {
  const found = new Map<string, { partitions: number; replicas: number }>();
  for (const item of text.split(',').map((each) => each.trim())) {
    if (item === '') continue;
    const match = /^([A-Za-z0-9._-]{1,249}):(\d{1,6}):(\d{1,5})$/.exec(item);
    const [partitions, replicas] = [Number(match?.[2]), Number(match?.[3])];
    if (!match || !(partitions >= 1 && partitions <= MAX_PARTITIONS) || !(replicas >= 1 && replicas <= MAX_REPLICAS))
      throw new Error('must be name:partitions:replicas, comma-separated');
    if (found.has(match[1]!)) throw new Error(`names ${match[1]} twice`);
    found.set(match[1]!, { partitions, replicas });
  }
  return found;
}
