import { ACCESS_REFUSED, BongsuError, TOPICS, type OutgoingRecord } from '@bongsu/contracts';
import { createLogger, registry } from '@bongsu/observability';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createHttpApplication } from '../application.js';
import { READER, ThingsModule } from '../testing/things.js';
import { Refusals } from './refusals.js';

let app: NestFastifyApplication;
let refusals: Refusals;
let sent: OutgoingRecord[];
let away: boolean;
beforeEach(async () => {
  sent = [];
  away = false;
  refusals = new Refusals({
    service: 'api',
    send: (record) =>
      away ? Promise.reject(new BongsuError('kafka_unavailable')) : Promise.resolve(void sent.push(record)),
    everyMs: 3_600_000,
  });
  app = await createHttpApplication(ThingsModule, {
    logger: createLogger('test', 'silent'),
    description: { title: 'Things', description: '', version: '1' },
    refusals: () => refusals,
  });
});
afterEach(async () => {
  await refusals.stop();
  await app.close();
});

const ask = async (key: string | undefined, method: 'GET' | 'POST' = 'GET'): Promise<number> =>
  (
    await app.inject({
      method,
      url: '/v1/things',
      ...(key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } }),
    })
  ).statusCode;
const data = (): Record<string, unknown>[] =>
  sent.map(({ value }) => JSON.parse(value.toString()) as Record<string, unknown>);
const unrecorded = async (): Promise<number> =>
  Number(/^access_refused_unrecorded_total (\d+)/m.exec(await registry.metrics())?.[1]);

it('makes one record of alike refusals, in the form that the contract has, and none of what was allowed', async () => {
  expect(await ask(READER)).toBe(200);
  for (let i = 0; i < 3; i++) expect(await ask('unknown-key-0123456789-0123456789-0123456789')).toBe(401);
  expect(await ask(undefined)).toBe(401);
  expect(await ask(READER, 'POST')).toBe(403);
  await refusals.flush();
  expect(data()).toMatchObject([
    { status: 401, count: 3, tenant: '-', route: '/v1/things', remoteAddress: '127.0.0.1' },
    { status: 401, count: 1, tenant: '-' },
    { status: 403, count: 1, tenant: 'acme', method: 'POST' },
  ]);
  expect(data()[0]!['keyFingerprint']).toMatch(/^[0-9a-f]{12}$/);
  expect(data()[1]).not.toHaveProperty('keyFingerprint');
  expect(data()[2]!['apiKeyId']).toEqual(expect.any(String));
  const contract = TOPICS.accessLog.events.get(ACCESS_REFUSED)!;
  expect(data().flatMap((each) => contract.violations(each))).toEqual([]);
  expect(sent.map(({ topic, key }) => [topic, key])).toEqual([
    ['access.log.v1', '-'],
    ['access.log.v1', '-'],
    ['access.log.v1', 'acme'],
  ]);
  expect(sent.some(({ value }) => value.includes('unknown-key'))).toBe(false);
  await refusals.flush();
  expect(sent).toHaveLength(3);
});

it('is no larger for a flood of different keys, and counts what it leaves out', async () => {
  const before = await unrecorded();
  for (let i = 0; i < 1_200; i++) await ask(`unknown-key-0123456789-0123456789-${String(i).padStart(10, '0')}`);
  await refusals.flush();
  expect(sent).toHaveLength(1_000);
  expect((await unrecorded()) - before).toBe(200);
});

it('fails nobody when Kafka is away, and counts it', async () => {
  const before = await unrecorded();
  away = true;
  for (let i = 0; i < 4; i++) expect(await ask(undefined)).toBe(401);
  await refusals.flush();
  expect((await unrecorded()) - before).toBe(4);
});
