import { firstIdAt, newNotificationId, TOPICS } from '@bongsu/contracts';
import type { KafkaProducer } from '@bongsu/kafka';
import { waitUntil, type ServiceProcess } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  API_KEY,
  call,
  complete,
  fact,
  factRecord,
  logged,
  makeKey,
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
  system = await System.start('reading', ['api']);
  service = system.service('api');
  url = service.url;
  producer = await producerFor(system);
});
afterAll(async () => {
  await producer.close();
  await service.stop();
});

const { get, page, view, timeline } = readerOf(() => url);
const send = async (body: object, key = API_KEY): Promise<string> =>
  ((await call(url, 'post', '/v1/notifications', key).send(body).expect(202)).body as { id: string }).id;

describe('reading after a 202', () => {
  it('never gives a 404, also with many at once', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const id = await send(logged(`reader-${i % 7}`, { priority: ['urgent', 'normal', 'bulk'][i % 3] }));
        const paths = [`/v1/notifications/${id}`, `/v1/notifications/${id}/timeline`];
        return Promise.all(paths.map(async (path) => (await get(path)).status));
      }),
    );
    expect(outcomes.flat()).toEqual(Array(200).fill(200));
  });

  it('sees what another replica accepted', async () => {
    const replica = await complete(await system.startService('api'));
    try {
      for (let i = 0; i < 20; i++) {
        const id = await send(logged('replicas'));
        expect((await call(replica.url, 'get', `/v1/notifications/${id}`)).status).toBe(200);
      }
    } finally {
      await replica.stop();
    }
  });

  it('shows a notification as it was asked for, before anything has happened to it', async () => {
    const sendAt = new Date(Date.now() + 3_600_000).toISOString();
    const recipient = { id: 'later', email: 'later@example.org', webhook: { url: 'https://example.org/hook' } };
    const more = { category: 'billing', orderingKey: 'o-1', metadata: { b: '2', a: '1' }, sendAt };
    const id = await send({ recipient, content: { subject: 'Hello', body: 'b' }, ...more });
    expect(await view(id)).toMatchObject({
      ...more,
      id,
      recipient,
      status: 'scheduled',
      priority: 'normal',
      subject: 'Hello',
      channels: ['email', 'webhook'],
      deliveries: [
        { channel: 'email', provider: null, status: 'deferred', attempts: [], nextAttemptAt: sendAt },
        { channel: 'webhook', provider: null, status: 'deferred', attempts: [], nextAttemptAt: sendAt },
      ],
    });
  });

  it.each([
    ['a random id', () => '2b4f0d10-1111-4222-8333-123456789abc'],
    ['an id of this moment', newNotificationId],
    ['an id of long ago', () => firstIdAt(0)],
    ['an id of the future', () => 'ffffffff-ffff-7fff-bfff-ffffffffffff'],
    ['an id in capitals', () => newNotificationId().toUpperCase()],
    ['something else', () => "1' OR '1'='1"],
  ])('answers 404 soon to %s', async (_what, id) => {
    const path = `/v1/notifications/${encodeURIComponent(id())}`;
    await get(path).expect(404);
    const started = performance.now();
    for (const each of [path, `${path}/timeline`]) await get(each).expect(404);
    expect(performance.now() - started).toBeLessThan(3_000);
    await call(url, 'post', `${path}/cancel`).expect(404);
  });
});

describe('GET /v1/notifications', () => {
  let key: string;
  const sent: string[] = [];
  beforeAll(async () => {
    ({ key } = await makeKey(url, { tenant: 'lists' }));
    for (let i = 0; i < 7; i++) {
      const channels = i % 2 === 0 ? ['log'] : ['email'];
      const recipient = { id: i < 3 ? 'few' : 'many', email: 'a@example.org' };
      sent.unshift(await send({ recipient, channels, content: { subject: 's', body: 'b' } }, key));
    }
    // A list waits for the read model too, but not for ever, and a machine that runs all of these tests may be slow.
    await waitUntil('all in the list', async () => (await list('limit=100')).data.length === 7, { timeoutMs: 20_000 });
  });
  const list = (query: string) => page<View>(`/v1/notifications?${query}`, key);

  it('gives the newest first, in pages that neither repeat nor leave out', async () => {
    expect((await list('')).data.map(({ id }) => id)).toEqual(sent);
    const found: string[] = [];
    for (let cursor = ''; ;) {
      const { data, nextCursor } = await list(`limit=2${cursor}`);
      found.push(...data.map(({ id }) => id));
      if (!nextCursor) break;
      cursor = `&cursor=${nextCursor}`;
    }
    expect(found).toEqual(sent);
  });

  it('filters by recipient, channel, status and time', async () => {
    const ids = async (query: string) => (await list(query)).data.map(({ id }) => id);
    expect(await ids('recipient=few')).toEqual(sent.slice(4));
    expect(await ids('channel=email')).toEqual([sent[1], sent[3], sent[5]]);
    expect(await ids('status=accepted&limit=100')).toEqual(sent);
    expect(await ids('status=delivered')).toEqual([]);
    expect(await ids(`to=${new Date(Date.now() - 3_600_000).toISOString()}`)).toEqual([]);
    expect(await ids(`from=${new Date(Date.now() - 3_600_000).toISOString()}&recipient=many`)).toEqual(
      sent.slice(0, 4),
    );
    expect(await ids('from=0001-01-01T00:00:00%2B09:00&to=9999-12-31')).toEqual(sent);
  });

  it("shows a tenant nothing of another's", async () => {
    const stranger = await makeKey(url, { tenant: 'stranger' });
    expect((await page('/v1/notifications', stranger.key)).data).toEqual([]);
    for (const path of ['', '/timeline']) await get(`/v1/notifications/${sent[0]}${path}`, stranger.key).expect(404);
    await call(url, 'post', `/v1/notifications/${sent[0]}/cancel`, stranger.key).expect(404);
    const { nextCursor } = await list('limit=1');
    expect((await page(`/v1/notifications?cursor=${nextCursor}`, stranger.key)).data).toEqual([]);
  });
});

describe('POST /v1/notifications/{id}/cancel', () => {
  it('goes to the commands topic with the key of the request, and shows', async () => {
    const id = await send(logged('cancel-me', { orderingKey: 'order-7' }));
    const answer = await call(url, 'post', `/v1/notifications/${id}/cancel`).expect(202);
    expect(answer.body).toMatchObject({ id, status: 'accepted' });
    await call(url, 'post', `/v1/notifications/${id}/cancel`)
      .set('Content-Type', 'application/json')
      .send('{}')
      .expect(202);
    const commands = (await recordsOf(system, TOPICS.commands)).filter(({ value }) => value!.includes(id));
    expect(commands.map(({ key }) => key!.toString())).toEqual(['default/order-7', 'default/order-7']);
    await expect.poll(async () => view(id)).toHaveProperty('cancelRequestedAt');
    expect((await timeline(id)).data.map(({ type }) => type)).toContain('bongsu.notification.cancel-requested.v1');
  });

  it('answers 409 when the notification has ended', async () => {
    const request = requested();
    await producer.sendAll([requestRecord(request)]);
    await producer.send(factRecord(fact(request, 1, {})));
    await expect
      .poll(async () => (await get(`/v1/notifications/${request.id}`)).body as object)
      .toHaveProperty('status', 'delivered');
    const answer = await call(url, 'post', `/v1/notifications/${request.id}/cancel`).expect(409);
    expect(answer.body).toMatchObject({ code: 'already_ended' });
  });
});
