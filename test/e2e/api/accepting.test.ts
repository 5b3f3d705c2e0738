import { partitionFor, TOPICS } from '@bongsu/contracts';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, call, logged, makeKey, recordsOf, System } from './api-system.js';

let system: System;
let url: string;
beforeAll(async () => {
  system = await System.start('accepting', ['api']);
  url = system.service('api').url;
});
afterAll(() => system.stop());

const post = (body: object, headers: Record<string, string> = {}, key = API_KEY) =>
  call(url, 'post', '/v1/notifications', key).set(headers).send(body);
const valueOf = (record: { value: Buffer | null }) => JSON.parse(record.value!.toString()) as { id: string };

describe('POST /v1/notifications', () => {
  it('answers 202 when Kafka has the record, and says where to look', async () => {
    const body = {
      recipient: { id: 'Ærøskøbing/봉수', email: 'a@bücher.example' },
      content: { subject: 'שלום', body: 'x'.repeat(100_000) },
      metadata: { order: '42' },
    };
    const answer = await post(body).expect(202);
    const { id, acceptedAt } = answer.body as { id: string; acceptedAt: string };
    expect(answer.body).toEqual({ id, status: 'accepted', acceptedAt });
    expect(answer.headers['location']).toBe(`/v1/notifications/${id}`);

    const records = await recordsOf(system, TOPICS.requests.normal);
    const record = records.find((each) => valueOf(each).id === id)!;
    const key = 'default/Ærøskøbing/봉수';
    expect(record.key!.toString()).toBe(key);
    expect(record.partition).toBe(partitionFor(key, TOPICS.requests.normal.partitions));
    expect(Object.fromEntries(record.headers.map(([name, value]) => [name, value.toString()]))).toMatchObject({
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_type: 'bongsu.notification.requested.v1',
      ce_id: id,
      ce_subject: id,
    });
    expect(valueOf(record)).toEqual({
      ...body,
      id,
      acceptedAt,
      channels: ['email'],
      priority: 'normal',
      tenant: 'default',
      apiKeyId: 'bootstrap',
    });
  });

  it('takes the lane and the key that the request asks for', async () => {
    const answer = await post(logged('u', { priority: 'urgent', orderingKey: 'order-42' })).expect(202);
    const records = await recordsOf(system, TOPICS.requests.urgent);
    const record = records.find((each) => valueOf(each).id === (answer.body as { id: string }).id);
    expect(record?.key?.toString()).toBe('default/order-42');
  });

  it('passes a trace on, and nothing that is not one', async () => {
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await post(logged('traced', { priority: 'bulk' }), { traceparent: trace }).expect(202);
    await post(logged('untraced', { priority: 'bulk' }), { traceparent: 'x'.repeat(55) }).expect(202);
    const records = await recordsOf(system, TOPICS.requests.bulk);
    const traces = records.map(({ headers }) => headers.find(([name]) => name === 'traceparent')?.[1].toString());
    expect(new Set(traces)).toEqual(new Set([trace, undefined]));
  });
});

describe('Idempotency-Key', () => {
  const once = (key: string, body: object = logged('idem'), apiKey = API_KEY) =>
    post(body, { 'Idempotency-Key': key }, apiKey);

  it('makes one notification of a request that is sent again, also with its fields in another order', async () => {
    const first = await once('k1', {
      recipient: { id: 'a' },
      channels: ['log'],
      content: { subject: 's', body: 'b' },
    }).expect(202);
    const again = await once('k1', {
      content: { body: 'b', subject: 's' },
      channels: ['log'],
      recipient: { id: 'a' },
    }).expect(202);
    expect(again.body).toEqual(first.body);
    expect([first, again].map(({ headers }) => headers['idempotency-replayed'])).toEqual([undefined, 'true']);
    expect(again.headers['location']).toBe(first.headers['location']);
  });

  it('refuses the key with another body, and keeps tenants apart', async () => {
    const other = await makeKey(url, { tenant: 'other' });
    const mine = await once('k2').expect(202);
    const refused = await once('k2', logged('somebody-else')).expect(422);
    expect(refused.body).toMatchObject({ code: 'idempotency_key_reused', status: 422 });
    const theirs = await once('k2', logged('somebody-else'), other.key).expect(202);
    expect((theirs.body as { id: string }).id).not.toBe((mine.body as { id: string }).id);
  });

  it('joins requests that come at the same time: one id, one record', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => once('k3', logged('crowd'))));
    const ids = new Set(answers.map(({ body }) => (body as { id: string }).id));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(202));
    expect(ids.size).toBe(1);
    expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1);
    const records = await recordsOf(system, TOPICS.requests.normal);
    expect(records.filter((record) => ids.has(valueOf(record).id))).toHaveLength(1);
  });

  it('holds on a second replica and after a restart, without a second record', async () => {
    const first = await once('k4', logged('replicas')).expect(202);
    const { id } = first.body as { id: string };
    // The read model knows the id from here on, so that nobody needs to produce it again.
    await call(url, 'get', `/v1/notifications/${id}`).expect(200);
    await system.service('api').stop();
    const restarted = await system.startService('api');
    url = restarted.url;
    const again = await once('k4', logged('replicas')).expect(202);
    expect(again.body).toEqual(first.body);
    expect(again.headers['idempotency-replayed']).toBe('true');
    await once('k4', logged('changed')).expect(422);
    const records = await recordsOf(system, TOPICS.requests.normal);
    expect(records.filter((record) => valueOf(record).id === id)).toHaveLength(1);
  });

  it.each([
    ['an empty key', ''],
    ['a key of 256 characters', 'x'.repeat(256)],
    ['a key with a blank', 'a b'],
    ['a key with other than ASCII', 'schlüssel'],
  ])('answers 400 to %s', async (_what, key) => {
    const answer = await fetch(`${url}/v1/notifications`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify(logged('x')),
    });
    expect(answer.status).toBe(400);
  });
});

describe('the process', () => {
  it('describes what it does, and says nothing secret in its log', async () => {
    const document = (await supertest(url).get('/openapi.json').expect(200)).body as { openapi: string; paths: object };
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/v1/notifications',
        '/v1/notifications/{id}',
        '/v1/notifications/{id}/cancel',
        '/v1/api-keys',
      ]),
    );
    await supertest(url).get('/docs').expect(200);
    const made = await makeKey(url);
    await post(logged('quiet'), {}, made.key).expect(202);
    await post(logged('loud', { nonsense: true }), {}, made.key).expect(422);
    const metrics = await (await fetch(`${system.service('api').managementUrl}/metrics`)).text();
    for (const secret of [API_KEY, made.key, 'quiet', 'loud']) {
      expect(system.service('api').log).not.toContain(secret);
      expect(metrics).not.toContain(secret);
    }
    expect(metrics).toContain(
      'http_request_duration_seconds_count{method="POST",route="/v1/notifications",status="202"}',
    );
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'finishes what it has begun on %s, and exits 0 within 10 s',
    async (signal) => {
      const service = system.service('api');
      const sends = Array.from({ length: 50 }, (_, i) =>
        call(service.url, 'post', '/v1/notifications').send(logged(`last-${i}`)),
      );
      const answers = Promise.allSettled(sends);
      await new Promise((resolve) => setTimeout(resolve, 30));
      const started = Date.now();
      expect(await service.stop(signal)).toBe(0);
      expect(Date.now() - started).toBeLessThan(10_000);
      url = (await system.startService('api')).url;
      const settled = await answers;
      const accepted = settled.flatMap((each) =>
        each.status === 'fulfilled' && each.value.status === 202 ? [(each.value.body as { id: string }).id] : [],
      );
      const kept = new Set((await recordsOf(system, TOPICS.requests.normal)).map((record) => valueOf(record).id));
      expect(accepted.filter((id) => !kept.has(id))).toEqual([]);
      expect(accepted.length).toBeGreaterThan(0);
    },
  );

  it('lists every wrong setting and does not start', async () => {
    const wrong = { IDEMPOTENCY_WINDOW: 'soon', RATE_LIMIT: '-1', BOOTSTRAP_API_KEY: 'too-short' };
    const refusal = await system.startService('api', wrong).catch((error: Error) => error.message);
    for (const name of Object.keys(wrong)) expect(refusal).toContain(name);
    expect(refusal).not.toContain('too-short');
  });
});
