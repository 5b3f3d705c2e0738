import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ServiceProcess, type ServiceName } from '@bongsu/testing';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApps } from '../../../tools/build/build-apps.ts';
import {
  endStack,
  startDisposableStack,
  startPart,
  stopPart,
  type DisposableStack,
} from '../../../tools/stack/disposable.ts';
import { serviceUrl } from '../../../tools/stack/postgres-database.ts';

const API_KEY = 'kraft-0123456789abcdef0123456789abcdef';
const CLI = join(import.meta.dirname, '..', '..', '..', 'apps', 'cli', 'bin', 'bongsu.js');

let stack: DisposableStack;
let started = false;
const services = new Map<ServiceName, ServiceProcess>();

beforeAll(async () => {
  await buildApps();
  stack = await startDisposableStack({ kraft: true });
  started = true;
}, 180_000);
afterAll(async () => {
  await Promise.all([...services.values()].map((service) => service.stop()));
  // Not there when it did not start; why is said by the failure of that.
  if (started) await endStack(stack.home);
});

async function cli(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env['PATH'], KAFKA_BROKERS: stack.kafkaBrokers },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`bongsu ${args.join(' ')} ended with ${code}: ${said}`);
  return said;
}

async function start(name: ServiceName): Promise<void> {
  const env = {
    KAFKA_BROKERS: stack.kafkaBrokers,
    DATABASE_URL: serviceUrl(name, stack.ports.postgres, 'bongsu'),
    BOOTSTRAP_API_KEY: API_KEY,
    LOG_LEVEL: 'warn',
  };
  services.set(name, await ServiceProcess.start({ name, env, readyWithinMs: 90_000 }));
}

const url = (service: ServiceName): string => services.get(service)?.url ?? '';
const get = (service: ServiceName, path: string): supertest.Test =>
  supertest(url(service)).get(path).set('Authorization', `Bearer ${API_KEY}`);

async function send(): Promise<string> {
  const answer = await supertest(url('api'))
    .post('/v1/notifications')
    .set('Authorization', `Bearer ${API_KEY}`)
    .send({ recipient: { id: 'user-1' }, channels: ['log'], content: { body: 'The beacon is lit.' } })
    .expect(202);
  return (answer.body as { id: string }).id;
}
const statusOf = (id: string) => async (): Promise<unknown> =>
  ((await get('api', `/v1/notifications/${id}`)).body as { status: string }).status;

describe('Kafka without ZooKeeper', () => {
  it('takes the topics as they are declared, and then has nothing left to change', async () => {
    expect(stack.parts.zookeeper).toBeUndefined();
    await cli('topics', 'apply', '--yes');
    // The plan reads every setting back from the broker.
    expect(JSON.parse(await cli('topics', 'plan', '--json'))).toMatchObject({ changes: [] });
  });

  it('carries a notification the whole way', async () => {
    await Promise.all((['api', 'notification', 'audit'] as const).map(start));
    const id = await send();
    await expect.poll(statusOf(id), { timeout: 20_000 }).toBe('delivered');
    await expect
      .poll(async () => ((await get('audit', '/v1/audit/verify')).body as { records: number }).records, {
        timeout: 20_000,
      })
      .toBeGreaterThanOrEqual(2);
    expect((await get('audit', '/v1/audit/verify')).body).toMatchObject({ ok: true });
  }, 150_000);

  it('is used again after it was killed, with everything that was acknowledged', async () => {
    const before = await send();
    await stopPart(stack, 'kafka', 'SIGKILL');
    await startPart(stack, 'kafka');
    const after = async (): Promise<string | undefined> => send().catch(() => undefined);
    await expect.poll(after, { timeout: 30_000 }).toBeDefined();
    await expect.poll(statusOf(before), { timeout: 30_000 }).toBe('delivered');
    await expect.poll(statusOf(await send()), { timeout: 30_000 }).toBe('delivered');
  }, 120_000);
});
