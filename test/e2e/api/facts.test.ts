import { setTimeout as sleep } from 'node:timers/promises';
import { contract, TOPICS, type DeliveryStatus } from '@bongsu/contracts';
import type { KafkaProducer } from '@bongsu/kafka';
import type { ServiceProcess } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attempt,
  fact,
  factRecord,
  producerFor,
  readerOf,
  recordsOf,
  requested,
  requestRecord,
  System,
  type View,
} from './api-system.js';

let system: System;
let url: string;
let producer: KafkaProducer;
let service: ServiceProcess;
beforeAll(async () => {
  system = await System.start('facts', ['api']);
  service = system.service('api');
  url = service.url;
  producer = await producerFor(system);
});
afterAll(async () => {
  await producer.close();
  await service.stop();
});

const { get, page, view, timeline } = readerOf(() => url);

describe('facts', () => {
  const settled = async (id: string, status: string): Promise<View> => {
    await expect.poll(async () => (await view(id)).status, { timeout: 10_000 }).toBe(status);
    return view(id);
  };

  it('become deliveries, attempts and a timeline in order', async () => {
    const request = requested({ channels: ['email', 'log'] });
    await producer.send(requestRecord(request));
    const failure = { code: 'http_503', message: 'Service Unavailable' };
    const refused = { ...attempt(1, 'retry', failure), failover: [{ provider: 'first', code: 'timeout' }] };
    await producer.sendAll([
      factRecord(
        fact(request, 1, { channel: 'email', status: 'retrying', attempt: refused, nextAttemptAt: request.acceptedAt }),
      ),
      factRecord(fact(request, 1, { channel: 'log', attempt: attempt(1, 'done') })),
    ]);
    expect(await settled(request.id, 'in_progress')).toMatchObject({
      deliveries: [
        {
          channel: 'email',
          status: 'retrying',
          provider: 'test-provider',
          attempts: [{ ...refused }],
          nextAttemptAt: request.acceptedAt,
        },
        { channel: 'log', status: 'delivered', attempts: [{ number: 1, outcome: 'done' }] },
      ],
    });
    await producer.send(factRecord(fact(request, 2, { channel: 'email', attempt: attempt(2, 'done') })));
    const done = await settled(request.id, 'delivered');
    expect(done.deliveries[0]).toMatchObject({ attempts: [{ number: 1 }, { number: 2 }] });
    expect(done.deliveries[0]).not.toHaveProperty('nextAttemptAt');
    const { data, nextCursor } = await timeline(request.id);
    expect(nextCursor).toBeNull();
    expect(data.map(({ type }) => type)).toEqual([
      'bongsu.notification.requested.v1',
      'bongsu.delivery.retrying.v1',
      'bongsu.delivery.delivered.v1',
      'bongsu.delivery.delivered.v1',
    ]);
    const pages = [];
    for (let cursor = ''; ;) {
      const next = await page<{ at: string }>(`/v1/notifications/${request.id}/timeline?limit=1${cursor}`);
      pages.push(...next.data);
      if (!next.nextCursor) break;
      cursor = `&cursor=${next.nextCursor}`;
    }
    expect(pages).toEqual(data);
  });

  it('count once however often they come, and an old one changes nothing', async () => {
    const request = requested();
    const first = factRecord(fact(request, 1, { status: 'retrying', attempt: attempt(1, 'retry') }));
    const last = factRecord(
      fact(request, 2, { status: 'dead', attempt: attempt(2, 'retry'), reason: 'no attempts left' }),
    );
    await producer.sendAll([requestRecord(request), requestRecord(request)]);
    await producer.sendAll([last, first, last, first]);
    const { deliveries } = await settled(request.id, 'failed');
    await producer.sendAll([first, last]);
    await producer.send(requestRecord({ ...request, recipient: { id: request.recipient.id }, category: 'changed' }));
    await sleep(300);
    expect(await view(request.id)).toEqual(await settled(request.id, 'failed'));
    expect(await view(request.id)).not.toHaveProperty('category');
    expect(deliveries).toMatchObject([
      { status: 'dead', reason: 'no attempts left', attempts: [{ number: 1 }, { number: 2 }] },
    ]);
    expect((await timeline(request.id)).data).toHaveLength(3);
  });

  it('may come before their request', async () => {
    const request = requested({ channels: ['email', 'log'] });
    await producer.send(factRecord(fact(request, 3, { channel: 'log', attempt: attempt(1, 'done') })));
    await sleep(300);
    await get(`/v1/notifications/${request.id}`).expect(404);
    expect((await page<View>('/v1/notifications?limit=100')).data.map(({ id }) => id)).not.toContain(request.id);
    await producer.send(requestRecord(request));
    expect(await settled(request.id, 'in_progress')).toMatchObject({
      deliveries: [
        { channel: 'email', status: 'pending' },
        { channel: 'log', status: 'delivered' },
      ],
    });
  });

  it('and requests that come at the same moment, over several topics, all end up right', async () => {
    const requests = Array.from({ length: 300 }, (_, i) =>
      requested({ recipient: { id: `race-${i}` }, priority: (['urgent', 'normal', 'bulk'] as const)[i % 3]! }),
    );
    await Promise.all([
      ...requests.map((request) => producer.send(requestRecord(request))),
      ...requests.map((request) => producer.send(factRecord(fact(request, 2, { attempt: attempt(1, 'done') })))),
      ...requests.map((request) => producer.send(factRecord(fact(request, 1, { status: 'in_flight' })))),
    ]);
    for (const { id } of requests) await settled(id, 'delivered');
    expect(service.log).not.toContain('handler_failed');
  });

  it.each<[DeliveryStatus[], string]>([
    [['delivered', 'dead', 'cancelled'], 'partially_delivered'],
    [['expired', 'cancelled', 'suppressed'], 'expired'],
    [['rejected', 'expired', 'cancelled'], 'failed'],
    [['pending', 'delivered', 'delivered'], 'in_progress'],
  ])('fold %j into %s', async (statuses, expected) => {
    const channels = ['email', 'webhook', 'log'] as const;
    const request = requested({ channels: [...channels] });
    await producer.send(requestRecord(request));
    await producer.sendAll(
      channels.map((channel, i) => factRecord(fact(request, 1, { channel, status: statuses[i]! }))),
    );
    expect((await settled(request.id, expected)).deliveries).toMatchObject(statuses.map((status) => ({ status })));
  });

  it('that are poison are set aside, and what comes after them counts', async () => {
    const request = requested({ recipient: { id: 'poisoned' } });
    const good = factRecord(fact(request, 1, {}));
    const poison = [
      { ...good, value: Buffer.from('not JSON') },
      { ...good, value: Buffer.from('{"some":"thing"}') },
      { ...good, headers: {} },
      { ...good, headers: { ...good.headers, ce_type: 'bongsu.delivery.lost.v1' } },
      factRecord(fact(request, 1, { notificationId: request.id.toUpperCase() })),
      factRecord(fact(request, 1, { at: '2026-12-31T23:59:60Z' })),
      factRecord(fact(request, 1, { channel: 'pigeon' as never })),
      factRecord(fact(request, 1, { reason: 'a\0b' })),
    ];
    await producer.sendAll([requestRecord(request), ...poison, good]);
    await settled(request.id, 'delivered');
    // They are written after the handler's transaction and before the offset, so the good one may be seen first.
    const letters = () => recordsOf(system, `${TOPICS.events.name}.bongsu.status.dlt`);
    await expect.poll(letters, { timeout: 15_000 }).toHaveLength(poison.length);
  });
});

describe('the published shapes', () => {
  it('are those of the answers', async () => {
    interface Operation {
      responses: Record<string, { content: Record<string, { schema: object }> }>;
    }
    const document = (await get('/openapi.json').expect(200)).body as { paths: Record<string, { get: Operation }> };
    const wrong = (path: string, body: unknown) => {
      const { schema } = document.paths[path]!.get.responses['200']!.content['application/json']!;
      return contract(schema as never).violations(body);
    };
    const pages = await Promise.all(
      ['failed', 'scheduled', 'in_progress', 'partially_delivered'].map((status) =>
        page<View>(`/v1/notifications?limit=10&status=${status}`),
      ),
    );
    for (const each of pages) expect(wrong('/v1/notifications', each)).toEqual([]);
    const all = pages.flatMap(({ data }) => data);
    expect(all.some(({ deliveries }) => deliveries.some(({ attempts }) => attempts.length > 1))).toBe(true);
    for (const { id } of all) {
      expect(wrong('/v1/notifications/{id}', await view(id))).toEqual([]);
      expect(wrong('/v1/notifications/{id}/timeline', await timeline(id))).toEqual([]);
    }
    expect(wrong('/v1/api-keys', (await get('/v1/api-keys').expect(200)).body)).toEqual([]);
    expect(wrong('/v1/notifications/{id}', { ...all[0], surplus: 1 })).not.toEqual([]);
  });
});
