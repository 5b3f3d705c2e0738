import { TOPICS } from '@bongsu/contracts';
import { KafkaProxy, TcpProxy, type ServiceProcess } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { call, complete, logged, makeKey, recordsOf, System } from './api-system.js';

let system: System;
let kafka: KafkaProxy;
let postgres: TcpProxy;
let api: ServiceProcess;

/** The way to the service's database through a proxy. */
const throughPostgresProxy = (): string => {
  const url = new URL(system.databaseUrlOf('api'));
  url.port = String(postgres.port);
  return url.href;
};
const start = async (env: Record<string, string> = {}): Promise<ServiceProcess> =>
  (api = await system.startService('api', {
    DATABASE_URL: throughPostgresProxy(),
    KAFKA_BROKERS: kafka.bootstrap,
    ...env,
  }));

beforeAll(async () => {
  const { kafkaBrokers, ports } = inject('bongsu');
  [kafka, postgres] = await Promise.all([
    KafkaProxy.start({ broker: kafkaBrokers }),
    TcpProxy.start({ host: '127.0.0.1', port: ports.postgres }),
  ]);
  system = await System.start('outages', []);
});
afterAll(async () => {
  await api.stop();
  await Promise.all([kafka.stop(), postgres.stop()]);
});

const post = (body: object, headers: Record<string, string> = {}) =>
  call(api.url, 'post', '/v1/notifications').set(headers).send(body);
const get = (path: string) => call(api.url, 'get', path);
const idOf = (answer: { body: unknown }): string => (answer.body as { id: string }).id;
const health = async () => {
  const answer = await fetch(`${api.managementUrl}/health/ready`);
  return [answer.status, ((await answer.json()) as { status: string }).status];
};

describe('while PostgreSQL is away', () => {
  const accepted: string[] = [];

  it('the API starts, accepts, and says what it cannot do', async () => {
    postgres.set('down');
    await start();
    const answer = await post(logged('early')).expect(202);
    accepted.push(idOf(answer));
    expect(await health()).toEqual([200, 'degraded']);
    for (const path of ['/v1/notifications', `/v1/notifications/${accepted[0]}`, '/v1/api-keys']) {
      const refused = await get(path);
      expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
      expect(refused.body).toMatchObject({ code: 'database_unavailable' });
    }
    const unknown = await call(api.url, 'get', '/v1/notifications', 'x'.repeat(40));
    expect(unknown.status).toBe(503);
  });

  it('everything is there once it is back', async () => {
    postgres.set('up');
    await complete(api);
    for (const id of accepted) await get(`/v1/notifications/${id}`).expect(200);
    expect(await health()).toEqual([200, 'ok']);
  });

  it('keys and idempotency hold, accepts stay fast, nothing is lost', async () => {
    const { key } = await makeKey(api.url);
    const before = await post(logged('idem'), { 'Idempotency-Key': 'before' }).expect(202);
    for (const state of ['down', 'stalled'] as const) {
      postgres.set(state);
      const started = performance.now();
      const answers = [];
      for (let i = 0; i < 10; i++) {
        answers.push(await post(logged(`${state}-${i}`)).expect(202));
        answers.push(await post(logged(`${state}-idem`), { 'Idempotency-Key': `${state}-${i}` }).expect(202));
      }
      expect(performance.now() - started).toBeLessThan(3_000);
      accepted.push(...answers.map(idOf));
      await call(api.url, 'post', '/v1/notifications', key).send(logged('u')).expect(202);
      const again = await post(logged('idem'), { 'Idempotency-Key': 'before' }).expect(202);
      expect(again.body).toEqual(before.body);
      const once = await post(logged('one'), { 'Idempotency-Key': `once-${state}` }).expect(202);
      const twice = await post(logged('one'), { 'Idempotency-Key': `once-${state}` }).expect(202);
      expect([idOf(twice), twice.headers['idempotency-replayed']]).toEqual([idOf(once), 'true']);
      await post(logged('other'), { 'Idempotency-Key': `once-${state}` }).expect(422);
      accepted.push(idOf(once));
      postgres.set('up');
    }
    const records = await recordsOf(system, TOPICS.requests.normal);
    const kept = new Set(records.map(({ value }) => (JSON.parse(value!.toString()) as { id: string }).id));
    expect(accepted.filter((id) => !kept.has(id))).toEqual([]);
    for (const id of accepted) {
      await expect.poll(async () => (await get(`/v1/notifications/${id}`)).status, { timeout: 45_000 }).toBe(200);
    }
  });
});

it('a database that takes questions and answers nothing is a 503 in a few seconds', async () => {
  postgres.set('stalled');
  try {
    const started = performance.now();
    const paths = ['/v1/notifications', '/v1/notifications/2b4f0d10-1111-4222-8333-123456789abc', '/v1/api-keys'];
    const answers = await Promise.all(paths.map(get));
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
    expect(performance.now() - started).toBeLessThan(8_000);
  } finally {
    postgres.set('up');
  }
});

describe('while Kafka is away', () => {
  it('answers 503 soon, is not ready, still reads, and goes on when it is back', async () => {
    const id = idOf(await post(logged('before')).expect(202));
    await get(`/v1/notifications/${id}`).expect(200);
    kafka.down = true;
    kafka.cut();
    await expect.poll(async () => (await post(logged('during'))).status, { timeout: 20_000 }).toBe(503);
    await expect.poll(health, { timeout: 20_000 }).toEqual([503, 'unavailable']);
    const started = performance.now();
    const refused = await post(logged('during'));
    expect(performance.now() - started).toBeLessThan(500);
    expect(refused.body).toMatchObject({ code: 'kafka_unavailable' });
    expect(refused.headers['retry-after']).toBe('1');
    await get(`/v1/notifications/${id}`).expect(200);
    const unknown = await get('/v1/notifications/2b4f0d10-1111-4222-8333-123456789abc');
    expect([unknown.status, (unknown.body as { code: string }).code]).toEqual([503, 'read_model_behind']);

    kafka.down = false;
    await expect.poll(async () => (await post(logged('after'))).status, { timeout: 30_000 }).toBe(202);
    await expect.poll(async () => (await health())[0], { timeout: 20_000 }).toBe(200);
  });

  it('the API starts, refuses, and exits 0 when told to', async () => {
    await api.stop();
    kafka.down = true;
    api = await system.startService('api', { DATABASE_URL: throughPostgresProxy(), KAFKA_BROKERS: kafka.bootstrap }, 0);
    await expect.poll(async () => (await post(logged('u'))).status, { timeout: 20_000 }).toBe(503);
    const stopped = api.stop();
    expect(await stopped).toBe(0);
    kafka.down = false;
    await start();
    await post(logged('u')).expect(202);
  });
});

it('a full buffer is a 503 and not a queue', async () => {
  await api.stop();
  await start({ KAFKA_BUFFER_MEMORY: '20KB' });
  const body = logged('big', { content: { body: 'x'.repeat(9_000) } });
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(body)));
  const codes = new Set(
    answers.map(({ status, body: { code } }: { status: number; body: { code?: string } }) => code ?? status),
  );
  expect(codes).toEqual(new Set([202, 'producer_buffer_full']));
});
