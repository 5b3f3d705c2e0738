import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TOPICS } from '@bongsu/contracts';
import { KafkaProducer, readTopic } from '@bongsu/kafka';
import { createLogger } from '@bongsu/observability';
import { waitUntil, type ServiceName, type ServiceProcess } from '@bongsu/testing';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSecrets } from '../../../tools/stack/secrets.ts';
import { metricsOf, secretsOf } from './canaries.js';
import { SecureSystem, type Environment } from './system.js';

/** The services in secure mode, as they are run: what they do, what they say when they are refused, what they keep to themselves. */

const SERVICES: readonly ServiceName[] = ['api', 'notification', 'audit'];
const BODY = 'canary-body-that-nobody-logs';
/** A name of this machine that no certificate has: the classical way to write 127.0.0.1 with two numbers. */
const OTHER_NAME = '127.1';
const silent = createLogger('test', 'silent');

let system: SecureSystem;
let strangers: string;
const running = new Map<ServiceName, ServiceProcess>();
const service = (name: ServiceName): ServiceProcess => running.get(name)!;

beforeAll(async () => {
  system = await SecureSystem.start();
  strangers = join(system.stack.home, 'strangers');
  await makeSecrets(strangers);
  await Promise.all(SERVICES.map(async (name) => running.set(name, await system.startService(name))));
}, 120_000);
afterAll(() => system?.stop());

test('a notification is delivered and recorded', async () => {
  const answer = await system
    .request(service('api'), 'post', '/v1/notifications')
    .send({ recipient: { id: 'user-1' }, channels: ['log'], content: { body: BODY } })
    .expect(202);
  const { id } = answer.body as { id: string };
  await waitUntil('it is delivered', async () => {
    const { body } = await system.request(service('api'), 'get', `/v1/notifications/${id}`);
    return (body as { status: string }).status === 'delivered';
  });
  await waitUntil('request and fact are recorded', async () => {
    const { body } = await system.request(service('audit'), 'get', `/v1/audit/records?notification=${id}`);
    return (body as { data: unknown[] }).data.length >= 2;
  });
  const { body } = await system.request(service('audit'), 'get', '/v1/audit/verify').expect(200);
  expect(body).toMatchObject({ ok: true, problems: [] });
});

test('the audit service sees how far all groups are', async () => {
  const metrics = await waitUntil('the groups are shown', async () => {
    const text = await metricsOf(service('audit'));
    return text.includes('kafka_consumergroup_lag{') && text;
  });
  for (const group of ['bongsu.notification', 'bongsu.status', 'bongsu.audit'])
    expect(metrics).toContain(`kafka_consumergroup_members{consumergroup="${group}"} 1`);
});

test('a letter that nobody can read comes back by the operator, who may do that and no more', async () => {
  const producer = new KafkaProducer({ settings: system.settings('bongsu-api'), clientId: 'test', logger: silent });
  await producer.connect();
  const topic = TOPICS.requests.normal.name;
  await producer.sendRaw([{ topic, partition: 0, key: Buffer.from('k'), value: Buffer.from('no JSON'), headers: {} }]);
  await producer.close();
  const listed = await waitUntil('it is among the dead letters', async () => {
    const text = await system.cli(['dead-letters', 'topics', '--json'], 'bongsu-operator');
    return /"waiting":1\b/.test(text) && text;
  });
  expect(listed).toContain(`${topic}.bongsu.notification.dlt`);
  const replay = ['dead-letters', 'replay', `${topic}.bongsu.notification.dlt`, '--all'];
  await expect(system.cli(replay, 'bongsu-audit')).rejects.toThrow(
    /[Aa]uthorization failed|does not allow bongsu-audit/,
  );
  expect(await system.cli(replay, 'bongsu-operator')).toMatch(/1/);
});

/** Starts a service with wrong settings, waits for the line that says so, and ends it; gives the whole log. */
async function refused(name: ServiceName, env: Environment, line: RegExp): Promise<{ log: string; ready: boolean }> {
  const process = await system.startService(name, { LOG_LEVEL: 'info', ...env }, 0);
  try {
    await waitUntil(`${name} says ${line}`, () => line.test(process.log));
    expect(process.running).toBe(true);
    const { ok } = await fetch(`${process.managementUrl}/health/ready`);
    return { log: process.log, ready: ok };
  } finally {
    await process.stop();
  }
}
/** The line, said at level error. */
const error = (words: string): RegExp => new RegExp(`"level":"error"[^\\n]*"msg":"${words}`);

describe.each(SERVICES)('%s says what to change when Kafka', (name) => {
  const cases: [string, () => Promise<Environment> | Environment, RegExp][] = [
    [
      'refuses its password',
      () => ({ KAFKA_SASL_PASSWORD_FILE: join(strangers, `bongsu-${name}.password`) }),
      error(`Kafka at 127\\.0\\.0\\.1:\\d+ does not let bongsu-${name} in: .*KAFKA_SASL_PASSWORD_FILE`),
    ],
    [
      'is not who it should be',
      () => ({ KAFKA_SSL_CA_FILE: join(strangers, 'ca.pem') }),
      error(
        'The certificate of Kafka at 127\\.0\\.0\\.1:\\d+ is of no authority that is trusted here: see KAFKA_SSL_CA_FILE',
      ),
    ],
    [
      'goes by another name',
      () => ({ KAFKA_BROKERS: `${OTHER_NAME}:${system.stack.ports.kafka}` }),
      error('The certificate of Kafka at 127\\.1:\\d+ is for other names: .*DNS:localhost'),
    ],
  ];
  test.each(cases)('%s', async (_, env, line) => {
    const { log } = await refused(name, await env(), line);
    const said = log.split('\n').filter((each) => line.test(each));
    // Half a dozen clients in one process meet the same wall several times a second.
    expect(said).toHaveLength(1);
    expect(log.split('\n').filter((each) => each.includes('"level":"warn"')).length).toBeLessThan(20);
  });
});

describe.each(SERVICES)('%s says what to change when PostgreSQL', (name) => {
  const url = async (change: (url: URL) => void): Promise<Environment> => {
    const changed = new URL(await system.databaseUrl(name));
    change(changed);
    return { DATABASE_URL: changed.href, DATABASE_URL_FILE: '' };
  };
  const cases: [string, () => Promise<Environment>, RegExp][] = [
    [
      'refuses its password',
      () => url((each) => (each.password = 'canary-wrong-password')),
      error(
        `PostgreSQL does not let us in \\(password authentication failed .*DATABASE_URL_FILE; trying again in \\d+ ms`,
      ),
    ],
    [
      'is not who it should be',
      () => url((each) => each.searchParams.set('sslrootcert', join(strangers, 'ca.pem'))),
      error('The certificate of PostgreSQL is of no authority that is trusted here: see sslrootcert'),
    ],
    [
      'goes by another name',
      () => url((each) => (each.hostname = OTHER_NAME)),
      error('The certificate of PostgreSQL is for other names than the host of DATABASE_URL'),
    ],
    [
      'is asked without TLS',
      () => url((each) => (each.search = '')),
      error('PostgreSQL does not let us in \\(no pg_hba\\.conf entry .*no encryption'),
    ],
  ];
  test.each(cases)('%s', async (_, env, line) => {
    const { ready, log } = await refused(name, await env(), line);
    // The api takes notifications without its database.
    if (name !== 'api') expect(ready).toBe(false);
    expect(log).not.toContain('canary-wrong-password');
  });
});

describe.each(SERVICES)("%s's role in the database", (name) => {
  test.each(SERVICES)('and the schema of %s', async (schema) => {
    const client = new Client(await system.databaseUrl(name));
    await client.connect();
    try {
      const table = { api: 'notifications', notification: 'deliveries', audit: 'records' }[schema];
      const ask = (sql: string): Promise<string> =>
        client.query(sql).then(
          () => 'allowed',
          (cause: Error) => cause.message,
        );
      const read = await ask(`SELECT FROM ${schema}.${table} LIMIT 1`);
      expect(read).toBe(name === schema ? 'allowed' : `permission denied for schema ${schema}`);
      if (schema !== 'audit') return;
      for (const sql of [
        'DELETE FROM audit.records',
        "UPDATE audit.records SET payload = ''",
        'DROP TABLE audit.records',
      ])
        expect(await ask(sql)).toMatch(/^(permission denied for|must be owner of)/);
    } finally {
      await client.end();
    }
  });
});

test('a password that is changed in Kafka first lets the service in once it is there, without a restart', async () => {
  const folder = join(system.stack.home, 'next');
  await mkdir(folder);
  const password = join(folder, 'bongsu-api.password');
  await writeFile(password, 'canary-next-password\n');
  const next = await system.startService('api', { KAFKA_SASL_PASSWORD_FILE: password }, 0);
  await waitUntil('it is refused', () => next.log.includes('does not let bongsu-api in'));
  await system.cli(['access', 'apply', '--yes', '--passwords', folder]);
  await next.ready();
  expect((await system.request(next, 'get', '/v1/notifications')).status).toBe(200);
  await next.stop();
  // The service that was running all along goes on: its connections are its own until they have to prove themselves again.
  await system
    .request(service('api'), 'post', '/v1/notifications')
    .send({ recipient: { id: 'user-1' }, channels: ['log'], content: { body: BODY } })
    .expect(202);
  await system.cli(['access', 'apply', '--yes', '--passwords', system.secrets.folder]);
});

test('no secret is in a log, a metric, a dead letter or a command line', async () => {
  const secrets = await secretsOf(system, [strangers]);
  expect(secrets.size).toBeGreaterThan(25);
  const letters = await readTopic({
    settings: system.settings('bongsu-admin'),
    topic: `${TOPICS.requests.normal.name}.bongsu.notification.dlt`,
    logger: silent,
  });
  expect(letters.length).toBeGreaterThan(0);
  const places = await system.everythingSaid();
  for (const name of SERVICES) places.set(`metrics of ${name}`, await metricsOf(service(name)));
  places.set(
    'dead letters',
    JSON.stringify(letters, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  );
  places.set(
    'dead letters, decoded',
    letters.map(({ value, headers }) => `${String(value)} ${headers.join()}`).join('\n'),
  );
  // That what is looked through is what it is taken for.
  expect(places.get('log of api')?.includes('bongsu-api')).toBe(true);
  expect(places.get('log of kafka')?.includes('bongsu-api')).toBe(true);
  const found = [...places].flatMap(([place, text]) =>
    [...secrets, ['the body of a notification', BODY] as const]
      .filter(([, value]) => text.includes(value))
      .map(([name]) => `${name} in ${place}`),
  );
  expect(found).toEqual([]);
});
