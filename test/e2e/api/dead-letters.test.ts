import { setTimeout as sleep } from 'node:timers/promises';
import { contract, deliveryId, TOPICS, type NotificationRequested, type RedriveRequested } from '@bongsu/contracts';
import type { KafkaProducer } from '@bongsu/kafka';
import { KafkaProxy, type ServiceProcess } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  attempt,
  call,
  fact,
  factRecord,
  makeKey,
  producerFor,
  readerOf,
  recordsOf,
  requested,
  requestRecord,
  System,
} from './api-system.js';

interface Letter {
  notificationId: string;
  /** Unknown until its request was read. */
  priority?: string;
}

let system: System;
let api: ServiceProcess;
let kafka: KafkaProxy;
let producer: KafkaProducer;
beforeAll(async () => {
  kafka = await KafkaProxy.start({ broker: inject('bongsu').kafkaBrokers });
  system = await System.start('letters', []);
  api = await system.startService('api', { KAFKA_BROKERS: kafka.bootstrap });
  producer = await producerFor(system);
});
afterAll(async () => {
  await producer.close();
  await system.stop();
  await kafka.stop();
});

const { get, page, view, timeline } = readerOf(() => api.url);
const redrive = (body: object, key?: string) => call(api.url, 'post', '/v1/dead-letters/redrive', key).send(body);
const list = (query: string) => page<Letter>(`/v1/dead-letters?${query}`);
const listed = async (query: string): Promise<string[]> =>
  (await list(`${query}&limit=100`)).data.map(({ notificationId }) => notificationId);
const statusOf = (id: string) => async () => (await view(id)).status;
/** Commands about deliveries of these notifications, by partition and offset. */
async function commandsAbout(ids: readonly string[]) {
  const about = new Set(ids);
  return (await recordsOf(system, TOPICS.commands))
    .map((record) => ({ record, data: JSON.parse(record.value!.toString()) as RedriveRequested }))
    .filter(({ data }) => about.has(data.notificationId));
}

const FAILURE = { code: 'http_503', message: 'The receiver answered HTTP 503' };
/** The facts of a delivery that died at its second attempt. */
const death = (request: NotificationRequested, more: Parameters<typeof fact>[2] = {}) => [
  factRecord(fact(request, 1, { status: 'retrying', attempt: attempt(1, 'retry', FAILURE), ...more })),
  factRecord(fact(request, 2, { status: 'dead', attempt: attempt(2, 'retry', FAILURE), ...more })),
];
async function died(given: Partial<NotificationRequested>, more?: Parameters<typeof fact>[2]) {
  const request = requested(given);
  await producer.sendAll([requestRecord(request), ...death(request, more)]);
  return request;
}

describe('dead letters', () => {
  it('are listed, newest first, page by page, by every filter, and to their tenant alone', async () => {
    const base = Date.parse('2026-11-20T00:00:00.000Z');
    const recipient = { id: '봉수-1' };
    const requests = [];
    for (let i = 0; i < 5; i++) {
      const acceptedAt = new Date(base + i * 60_000).toISOString();
      requests.push(await died({ recipient, acceptedAt, priority: 'urgent' }));
    }
    const other = await died({ recipient, channels: ['webhook'], tenant: 'acme' }, { channel: 'webhook' });
    const timeout = { code: 'timeout', message: 'No answer' };
    const slow = await died({ recipient }, { attempt: attempt(2, 'retry', timeout) });
    const all = [slow, ...requests.toReversed()].map(({ id }) => id);
    const mine = `recipient=${encodeURIComponent(recipient.id)}`;
    // The letters come from facts, their priorities from requests; either may be read first.
    const known = async () =>
      (await list(`${mine}&limit=100`)).data.map(({ notificationId, priority }) => [notificationId, priority]);
    const priorities = all.map((id) => [id, id === slow.id ? 'normal' : 'urgent']);
    await expect.poll(known, { timeout: 15_000 }).toEqual(priorities);

    const [letter] = (await list(`${mine}&reason=http_503`)).data;
    expect(letter).toEqual({
      deliveryId: deliveryId(requests[4]!.id, 'log'),
      notificationId: requests[4]!.id,
      recipient: recipient.id,
      channel: 'log',
      provider: 'test-provider',
      attempts: 2,
      error: FAILURE,
      deadAt: new Date(base + 4 * 60_000 + 2_000).toISOString(),
      priority: 'urgent',
    });
    const pages: string[] = [];
    for (let cursor = ''; ;) {
      const next = await list(`${mine}&limit=2${cursor}`);
      pages.push(...next.data.map(({ notificationId }) => notificationId));
      if (!next.nextCursor) break;
      cursor = `&cursor=${next.nextCursor}`;
    }
    expect(pages).toEqual(all);
    expect(await listed(`${mine}&reason=timeout`)).toEqual([slow.id]);
    expect(await listed(`${mine}&channel=webhook`)).toEqual([]);
    expect(await listed(`notification=${requests[2]!.id.toUpperCase()}`)).toEqual([requests[2]!.id]);
    const window = 'from=2026-11-20T00:01:02Z&to=2026-11-20T00:03:02Z';
    expect(await listed(`${mine}&${window}`)).toEqual([requests[2]!.id, requests[1]!.id]);
    const { key } = await makeKey(api.url, { scopes: ['notifications:read'] });
    const theirs = async () => (await page<Letter>(`/v1/dead-letters?${mine}`, key)).data;
    await expect
      .poll(theirs, { timeout: 15_000 })
      .toMatchObject([{ notificationId: other.id, channel: 'webhook', priority: 'normal' }]);
  });

  it('leave the list when they live again, the notification with them; only a later death brings them back', async () => {
    const request = await died({ recipient: { id: 'lazarus' } });
    await expect.poll(statusOf(request.id), { timeout: 15_000 }).toBe('failed');
    const redriven = fact(request, 3, {
      status: 'retrying',
      reason: 'redriven',
      nextAttemptAt: new Date().toISOString(),
    });
    await producer.send(factRecord(redriven));
    await expect.poll(statusOf(request.id), { timeout: 15_000 }).toBe('in_progress');
    expect((await view(request.id)).deliveries).toMatchObject([{ status: 'retrying', attempts: [{}, {}] }]);
    expect(await listed('recipient=lazarus')).toEqual([]);
    await producer.sendAll(death(request));
    await sleep(500);
    expect([await statusOf(request.id)(), await listed('recipient=lazarus')]).toEqual(['in_progress', []]);
    await producer.send(factRecord(fact(request, 4, { status: 'dead', attempt: attempt(3, 'retry', FAILURE) })));
    await expect.poll(statusOf(request.id), { timeout: 15_000 }).toBe('failed');
    expect((await list('recipient=lazarus')).data).toMatchObject([{ notificationId: request.id, attempts: 3 }]);
    await producer.send(factRecord(fact(request, 5, { status: 'delivered', attempt: attempt(4, 'done') })));
    await expect.poll(statusOf(request.id), { timeout: 15_000 }).toBe('delivered');
    expect(await listed('recipient=lazarus')).toEqual([]);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['channel=pigeon', 'channel'],
    ['notification=1', 'notification'],
    ['from=yesterday', 'from'],
    ['reason=', 'reason'],
    ['resaon=timeout', 'resaon'],
    ['cursor=abc', 'cursor'],
    [`cursor=${Buffer.from('["2026-13-01T00:00:00.000Z","x"]').toString('base64url')}`, 'cursor'],
  ])('refuse %s', async (query, parameter) => {
    const answer = await get(`/v1/dead-letters?${query}`);
    expect([answer.status, answer.body]).toMatchObject([400, { code: 'invalid_parameter', errors: [{ parameter }] }]);
  });
});

describe('a redrive', () => {
  it('sends one command for each that matches, the longest dead first, at the pace asked for', async () => {
    const recipient = { id: 'paced' };
    const requests: NotificationRequested[] = [];
    for (let i = 0; i < 4; i++)
      requests.push(await died({ recipient, acceptedAt: new Date(Date.UTC(2026, 10, 20, 0, i)).toISOString() }));
    await expect.poll(() => listed('recipient=paced'), { timeout: 15_000 }).toHaveLength(4);
    const filter = { recipient: 'paced', to: '2026-11-20T00:03:00Z' };

    const dry = await redrive({ filter, dryRun: true, ratePerSecond: 2 });
    expect([dry.status, dry.body]).toEqual([200, { matched: 3 }]);
    expect(await commandsAbout(requests.map(({ id }) => id))).toEqual([]);

    const before = Date.now();
    const answer = await redrive({ filter, dryRun: false, ratePerSecond: 2 });
    expect([answer.status, answer.body]).toMatchObject([202, { matched: 3 }]);
    const { redriveId } = answer.body as { redriveId: string };
    const commands = await commandsAbout(requests.map(({ id }) => id));
    expect(commands.map(({ data }) => data.notificationId)).toEqual(requests.slice(0, 3).map(({ id }) => id));
    const [{ data: first }] = commands as [(typeof commands)[0]];
    const started = Date.parse(first.requestedAt);
    expect(started).toBeGreaterThanOrEqual(before);
    expect(commands.map(({ data }) => Date.parse(data.notBefore) - started)).toEqual([0, 500, 1000]);
    const own = (await recordsOf(system, TOPICS.requests.normal)).find(({ value }) => value!.includes(requests[0]!.id));
    for (const { data, record } of commands) {
      expect(data).toMatchObject({
        tenant: 'default',
        channel: 'log',
        version: 2,
        redriveId,
        requestedBy: 'bootstrap',
      });
      expect([record.key, record.partition]).toEqual([own!.key, own!.partition]);
    }
    expect((await timeline(requests[0]!.id)).data.map(({ type }) => type)).toContain(
      'bongsu.delivery.redrive-requested.v1',
    );
  });

  it('of an ordering key is in order with the request', async () => {
    const request = requested({ recipient: { id: 'ordered' }, orderingKey: 'order-42' });
    const record = requestRecord(request);
    await producer.sendAll([record, ...death(request).map((each) => ({ ...each, key: record.key }))]);
    await expect.poll(() => listed('recipient=ordered'), { timeout: 15_000 }).toHaveLength(1);
    await redrive({ filter: { notification: request.id.toUpperCase() } }).expect(202);
    const [command] = await commandsAbout([request.id]);
    expect(command!.record.key!.toString()).toBe('default/order-42');
  });

  it('takes no more than the limit, and none of another tenant', async () => {
    const recipient = { id: 'limited' };
    const requests = [await died({ recipient }), await died({ recipient }), await died({ recipient, tenant: 'acme' })];
    const { key } = await makeKey(api.url, { scopes: ['notifications:write'] });
    await expect.poll(() => listed('recipient=limited'), { timeout: 15_000 }).toHaveLength(2);
    const answer = await redrive({ filter: { recipient: 'limited' }, limit: 1 });
    expect(answer.body).toMatchObject({ matched: 1 });
    await expect
      .poll(async () => (await redrive({ filter: {}, dryRun: true }, key)).body as unknown, { timeout: 15_000 })
      .toMatchObject({ matched: 2 });
    expect((await redrive({ filter: { notification: requests[0]!.id } }, key)).body).toMatchObject({ matched: 0 });
    // One a year from now is as far ahead as a pace may reach.
    const slow = await redrive({ filter: { recipient: 'limited' }, ratePerSecond: 1e-300 });
    expect(slow.body).toMatchObject({ matched: 1 });
    expect(await commandsAbout([requests[1]!.id, requests[2]!.id])).toEqual([]);
    expect(await commandsAbout([requests[0]!.id])).toHaveLength(2);
  });

  it('is refused when it is not clear what is meant', async () => {
    const refused: [object, string][] = [
      [{}, '/filter'],
      [{ filter: { recipent: 'x' } }, '/filter/recipent'],
      [{ filter: {}, dryrun: true }, '/dryrun'],
      [{ filter: {}, dryRun: 'yes' }, '/dryRun'],
      [{ filter: {}, ratePerSecond: 0 }, '/ratePerSecond'],
      [{ filter: {}, ratePerSecond: -1 }, '/ratePerSecond'],
      [{ filter: {}, ratePerSecond: 10_001 }, '/ratePerSecond'],
      [{ filter: {}, limit: 0 }, '/limit'],
      [{ filter: { from: '2026-12-31T23:59:60Z' } }, '/filter/from'],
      [{ filter: { notification: 'x' } }, '/filter/notification'],
      [{ filter: { reason: 'a\0b' } }, '/filter/reason'],
    ];
    for (const [body, pointer] of refused) {
      const answer = await redrive(body);
      expect([answer.status, answer.body]).toMatchObject([422, { code: 'validation_failed', errors: [{ pointer }] }]);
    }
    const { key } = await makeKey(api.url, { scopes: ['notifications:read'] });
    expect((await redrive({ filter: {} }, key)).status).toBe(403);
  });

  it('of 10,000, twice and rate-limited, is as many commands each time, and a failure in between loses none', async () => {
    const recipient = { id: 'flood' };
    const requests = Array.from({ length: 10_000 }, () => requested({ recipient }));
    for (let i = 0; i < requests.length; i += 500) {
      const some = requests.slice(i, i + 500);
      await producer.sendAll([...some.map(requestRecord), ...some.map((request) => death(request)[1]!)]);
    }
    const filter = { recipient: 'flood' };
    const dry = async () => (await redrive({ filter, dryRun: true })).body as unknown;
    await expect.poll(dry, { timeout: 60_000 }).toEqual({ matched: 10_000 });

    const sent = performance.now();
    await redrive({ filter, ratePerSecond: 1_000 }).expect(202, /"matched":10000/);
    console.log(`10,000 dead letters redriven in ${Math.round(performance.now() - sent)} ms`);
    kafka.down = true;
    kafka.cut();
    const refused = await redrive({ filter, ratePerSecond: 1_000 });
    expect([refused.status, refused.headers['retry-after'], refused.body]).toMatchObject([
      503,
      '1',
      { code: 'kafka_unavailable' },
    ]);
    kafka.down = false;
    await expect
      .poll(async () => (await redrive({ filter, ratePerSecond: 1_000 })).status, { timeout: 30_000, interval: 1_000 })
      .toBe(202);

    const ids = requests.map(({ id }) => id);
    const runs = Map.groupBy(await commandsAbout(ids), ({ data }) => data.redriveId);
    const whole = [...runs.values()].filter((commands) => commands.length === 10_000);
    expect(whole.length).toBeGreaterThanOrEqual(2);
    for (const commands of whole) {
      expect(new Set(commands.map(({ data }) => `${data.deliveryId} ${data.version}`)).size).toBe(10_000);
      const began = Date.parse(commands[0]!.data.requestedAt);
      expect(commands.map(({ data }) => Date.parse(data.notBefore) - began)).toEqual(ids.map((_, i) => i));
    }
  });
});

describe('the published shapes', () => {
  it('are those of the answers', async () => {
    const document = (await get('/openapi.json').expect(200)).body as {
      paths: Record<
        string,
        Record<string, { responses: Record<string, { content: Record<string, { schema: object }> }> }>
      >;
    };
    const wrong = (path: string, method: string, status: string, body: unknown) =>
      contract(
        document.paths[path]![method]!.responses[status]!.content['application/json']!.schema as never,
      ).violations(body);
    expect(wrong('/v1/dead-letters', 'get', '200', await list('limit=100'))).toEqual([]);
    const body = { filter: { recipient: 'limited' } };
    const [dry, done] = [await redrive({ ...body, dryRun: true }), await redrive(body)];
    expect(wrong('/v1/dead-letters/redrive', 'post', '200', dry.body)).toEqual([]);
    expect(wrong('/v1/dead-letters/redrive', 'post', '202', done.body)).toEqual([]);
    expect(wrong('/v1/dead-letters/redrive', 'post', '200', done.body)).not.toEqual([]);
  });
});
