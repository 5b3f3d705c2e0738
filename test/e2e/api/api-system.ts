import {
  deliveryEventType,
  deliveryId,
  encodeEvent,
  newEventId,
  newNotificationId,
  NOTIFICATION_REQUESTED,
  notificationKey,
  TOPICS,
  type DeliveryFact,
  type NotificationRequested,
  type OutgoingRecord,
  type RawRecord,
  type TopicDeclaration,
} from '@bongsu/contracts';
import { KAFKA_SETTINGS, PRODUCER_SETTINGS, readSettings } from '@bongsu/config';
import { KafkaProducer, readTopic } from '@bongsu/kafka';
import { createLogger } from '@bongsu/observability';
import { waitUntil, type ServiceProcess } from '@bongsu/testing';
import supertest from 'supertest';
import { inject } from 'vitest';
import { API_KEY, System } from '../pipeline/system.js';

export { API_KEY, System } from '../pipeline/system.js';

/** A body that is accepted and asks nothing of the outside world. */
export const logged = (recipient: string, more: object = {}) => ({
  recipient: { id: recipient },
  channels: ['log'],
  content: { body: 'The beacon is lit.' },
  ...more,
});

export const call = (url: string, method: 'get' | 'post' | 'delete', path: string, key = API_KEY): supertest.Test =>
  supertest(url)[method](path).set('Authorization', `Bearer ${key}`);

/** Makes a key of a tenant with the operator's; the replica that made it knows it at once. */
export async function makeKey(url: string, more: object = {}): Promise<{ id: string; key: string }> {
  const answer = await call(url, 'post', '/v1/api-keys')
    .send({ name: 'test', tenant: 'acme', ...more })
    .expect(201);
  return answer.body as { id: string; key: string };
}

const silent = createLogger('test', 'silent');
const kafkaSettings = (prefix: string) =>
  readSettings(
    { ...KAFKA_SETTINGS, ...PRODUCER_SETTINGS },
    { KAFKA_BROKERS: inject('bongsu').kafkaBrokers, KAFKA_TOPIC_PREFIX: prefix },
  );

/** Everything that a topic of the system holds. */
export const recordsOf = (system: System, topic: TopicDeclaration | string): Promise<RawRecord[]> =>
  readTopic({
    settings: kafkaSettings(system.prefix),
    topic: typeof topic === 'string' ? topic : topic.name,
    logger: silent,
  });

/** Writes records as other services would; connected until `close`. */
export async function producerFor(system: System): Promise<KafkaProducer> {
  const producer = new KafkaProducer({ settings: kafkaSettings(system.prefix), clientId: 'test', logger: silent });
  await producer.connect();
  return producer;
}

/** A request as the API writes it, for when a test needs to know its id beforehand. */
export function requested(more: Partial<NotificationRequested> = {}): NotificationRequested {
  return {
    id: newNotificationId(),
    tenant: 'default',
    recipient: { id: 'user-1', email: 'user-1@example.org' },
    channels: ['log'],
    content: { subject: 'Hello', body: 'The beacon is lit.' },
    priority: 'normal',
    acceptedAt: new Date().toISOString(),
    apiKeyId: 'bootstrap',
    ...more,
  };
}

export const requestRecord = (data: NotificationRequested): OutgoingRecord =>
  encodeEvent(TOPICS.requests[data.priority], notificationKey(data.tenant, data.recipient.id, data.orderingKey), {
    id: data.id,
    source: '/bongsu/api',
    type: NOTIFICATION_REQUESTED,
    subject: data.id,
    time: data.acceptedAt,
    data,
  });

export function fact(request: NotificationRequested, version: number, more: Partial<DeliveryFact>): DeliveryFact {
  const channel = more.channel ?? 'log';
  return {
    notificationId: request.id,
    tenant: request.tenant,
    recipientId: request.recipient.id,
    deliveryId: deliveryId(request.id, channel),
    channel,
    status: 'delivered',
    version,
    at: new Date(Date.parse(request.acceptedAt) + version * 1_000).toISOString(),
    ...more,
  };
}

export const attempt = (
  number: number,
  outcome: 'done' | 'retry' | 'reject',
  error?: { code: string; message: string },
) => ({
  number,
  provider: 'test-provider',
  startedAt: new Date().toISOString(),
  durationMs: 12.5,
  outcome,
  ...(error ? { error } : {}),
});

export function factRecord(data: DeliveryFact, eventId = newEventId()): OutgoingRecord {
  return encodeEvent(TOPICS.events, notificationKey(data.tenant, data.recipientId), {
    id: eventId,
    source: '/bongsu/notification',
    type: deliveryEventType(data.status),
    subject: data.notificationId,
    time: data.at,
    data,
  });
}

/** Waits until nothing that a service can do without is missing either: the database, its place in the consumer group. */
export async function complete(service: ServiceProcess): Promise<ServiceProcess> {
  await waitUntil(`${service.name} misses nothing`, async () => {
    const report = (await (await fetch(`${service.managementUrl}/health/ready`)).json()) as { status: string };
    return report.status === 'ok';
  });
  return service;
}

/** A notification as the API shows it, as far as the tests look at it. */
export interface View {
  id: string;
  status: string;
  deliveries: {
    id: string;
    channel: string;
    provider: string | null;
    status: string;
    attempts: { number: number }[];
  }[];
}

export interface Page<T> {
  data: T[];
  nextCursor: string | null;
}

/** Reads of one api, whose address is known only once it runs. */
export function readerOf(url: () => string) {
  const get = (path: string, key = API_KEY) => call(url(), 'get', path, key);
  const page = async <T>(path: string, key?: string): Promise<Page<T>> =>
    (await get(path, key).expect(200)).body as Page<T>;
  return {
    get,
    page,
    view: async (id: string): Promise<View> => (await get(`/v1/notifications/${id}`).expect(200)).body as View,
    timeline: (id: string) => page<{ type: string; at: string; status?: string }>(`/v1/notifications/${id}/timeline`),
  };
}
