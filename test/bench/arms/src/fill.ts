/** Puts accepted notifications into Kafka as the api does, for any installation: what is measured is what comes after. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  NOTIFICATION_REQUESTED,
  TOPICS,
  encodeEvent,
  newNotificationId,
  notificationKey,
  type NotificationRequested,
  type OutgoingRecord,
} from '@bongsu/contracts';
import { KafkaProducer } from '@bongsu/kafka';
import { createLogger } from '@bongsu/observability';
import type { FillRequest } from './fill-request.js';
import { kafkaSettings } from './kafka-settings.js';

const RECIPIENTS = 10_000;
const ORDER = 'order-1';
const producers = new Map<string, KafkaProducer>();
const logger = createLogger('bench-fill', 'error');

async function fill({
  prefix,
  count,
  first,
  keys,
  bodyBytes,
  perSecond,
  ordered = false,
}: FillRequest): Promise<object> {
  const recipient = { uniform: (n: number) => n % RECIPIENTS, zipf, one: () => 0 }[keys];
  const body = 'The beacon is lit on the southern ridge, and the next one answers. '.repeat(40).slice(0, bodyBytes);
  const records = Array.from({ length: count }, (_, i) =>
    record(first + i, `user-${recipient(first + i)}`, { body, ordered }),
  );
  const producer = await producerOf(prefix);
  const filled = records.map(({ headers }) => headers['ce_id']!);
  if (perSecond !== undefined) return { filled, due: await pace(producer, records, perSecond) };
  for (let from = 0; from < count; from += 5_000) await producer.sendAll(records.slice(from, from + 5_000));
  return { filled };
}

/** Gives when each was due, milliseconds since 1970. */
async function pace(producer: KafkaProducer, records: readonly OutgoingRecord[], perSecond: number): Promise<number[]> {
  const began = performance.timeOrigin + performance.now();
  const due = records.map((_, i) => began + (i * 1000) / perSecond);
  const sent: Promise<unknown>[] = [];
  for (let i = 0; i < records.length; await sleep(1)) {
    const now = performance.timeOrigin + performance.now();
    for (; i < records.length && due[i]! <= now; i++) sent.push(producer.send(records[i]!));
  }
  await Promise.all(sent);
  return due;
}

function record(n: number, recipientId: string, { body, ordered }: { body: string; ordered: boolean }): OutgoingRecord {
  const id = newNotificationId();
  const acceptedAt = new Date().toISOString();
  const data: NotificationRequested = {
    recipient: { id: recipientId },
    channels: ['log'],
    content: { subject: String(n), body },
    priority: 'normal',
    id,
    tenant: 'default',
    acceptedAt,
    apiKeyId: 'bootstrap',
    ...(ordered ? { orderingKey: ORDER } : {}),
  };
  return encodeEvent(TOPICS.requests.normal, notificationKey('default', recipientId, data.orderingKey), {
    id,
    source: '/bongsu/api',
    type: NOTIFICATION_REQUESTED,
    subject: id,
    time: acceptedAt,
    data,
  });
}

/** By the inverse of the (continuous) distribution function: a random number u in [0, 1) is rank N^u. The seed is fixed. */
let seed = 42;
function zipf(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor(RECIPIENTS ** (seed / 2 ** 32)) - 1;
}

async function producerOf(prefix: string): Promise<KafkaProducer> {
  const found = producers.get(prefix);
  if (found) return found;
  const settings = kafkaSettings({ KAFKA_TOPIC_PREFIX: prefix, KAFKA_BUFFER_MEMORY: '268435456' });
  const producer = new KafkaProducer({ settings, clientId: 'bench-fill', logger, deliveryTimeoutMs: 60_000 });
  producers.set(prefix, producer);
  await producer.connect();
  return producer;
}

process.on('message', (message: FillRequest) => {
  void fill(message).then((told) => process.send!(told));
});
process.send!({ ready: true });
