import { GONE } from './commands.ts';
import type { Golden, GoldenEvent } from './corpus.ts';
import { keyOf, recipientOf, REQUESTED, type Requested } from './requests.ts';

const TOPIC = 'notification.events.v1';
const PROVIDER = { email: 'smtp-1', webhook: '127.0.0.1:9', log: 'log' } as const;
type Channel = keyof typeof PROVIDER;
type Fact = readonly [
  name: Requested,
  channel: Channel,
  status: string,
  more?: 'attempt' | 'failure' | 'later' | 'reason',
];

/**
 * What became of the corpus' notifications, one fact per status at least. By them `least` is delivered, `most` partially delivered,
 * `longest` suppressed, `refused` failed, `expired` and `cancelled` as they are called, `traced` in progress.
 */
const FACTS: readonly Fact[] = [
  ['least', 'log', 'pending'],
  ['least', 'log', 'in_flight'],
  ['least', 'log', 'delivered', 'attempt'],
  ['most', 'email', 'rejected', 'failure'],
  ['most', 'log', 'delivered', 'attempt'],
  ['longest', 'log', 'suppressed', 'reason'],
  ['refused', 'webhook', 'retrying', 'later'],
  ['refused', 'webhook', 'dead', 'failure'],
  ['expired', 'log', 'expired', 'reason'],
  ['cancelled', 'log', 'deferred'],
  ['cancelled', 'log', 'cancelled', 'reason'],
  ['traced', 'log', 'in_flight'],
];

/** The facts of deliveries and endpoints. */
export function factEvents(golden: Golden): GoldenEvent[] {
  return [...FACTS.map((fact, index) => deliveryFact(golden, fact, index)), ...endpointFacts(golden)];
}

function deliveryFact(golden: Golden, [name, channel, status, more]: Fact, index: number): GoldenEvent {
  const { contracts, at } = golden;
  const notificationId = golden.id(REQUESTED[name]);
  const done = { number: 1, provider: PROVIDER[channel], startedAt: at, durationMs: 12.5, outcome: 'done' };
  const error = { code: 'http_503', message: 'm'.repeat(1000) };
  const failed = { ...done, outcome: 'retry', error, failover: [{ provider: 'smtp-0', code: 'timeout' }] };
  const event = golden.event(200 + index, 'notification', `bongsu.delivery.${status}.v1`, notificationId, {
    notificationId,
    tenant: 'default',
    recipientId: recipientOf(name),
    deliveryId: contracts.deliveryId(notificationId, channel),
    channel,
    status,
    // The corpus' facts of a delivery are in their order.
    version: index + 1,
    at,
    ...(more === 'attempt' ? { attempt: done } : {}),
    ...(more === 'failure' ? { attempt: { ...failed, outcome: 'reject' } } : {}),
    ...(more === 'later' ? { attempt: failed, nextAttemptAt: at } : {}),
    ...(more === 'reason' ? { reason: 'r'.repeat(200) } : {}),
  });
  return { name: `fact: ${name} ${channel} ${status}`, topic: TOPIC, key: keyOf(golden, name), event };
}

function endpointFacts(golden: Golden): GoldenEvent[] {
  const { contracts, at } = golden;
  const id = golden.id(REQUESTED.most);
  return ['disabled', 'enabled'].map((what, index) => ({
    name: `fact: endpoint ${what}`,
    topic: TOPIC,
    key: contracts.endpointKey('default', 'webhook', GONE),
    event: golden.event(300 + index, 'notification', `bongsu.endpoint.${what}.v1`, contracts.endpointHash(GONE), {
      tenant: 'default',
      channel: 'webhook',
      endpoint: GONE,
      version: index + 1,
      at,
      deliveryId: contracts.deliveryId(id, 'webhook'),
    }),
  }));
}
