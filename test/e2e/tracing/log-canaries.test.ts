import { randomBytes } from 'node:crypto';
import { newNotificationId, TOPICS, type NotificationRequested } from '@bongsu/contracts';
import { OtlpReceiver, waitUntil, type ServiceName } from '@bongsu/testing';
import pg from 'pg';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKey, producerFor, requested, requestRecord } from '../api/api-system.js';
import { WebhookReceiver } from '../pipeline/receivers.js';
import { API_KEY, System, WEBHOOK_SECRET } from '../pipeline/system.js';

const ALL: readonly ServiceName[] = ['api', 'notification', 'audit'];
const run = randomBytes(4).toString('hex');
const canaries = new Map<string, string>();
/** A text that is found again wherever it gets to. */
const canary = (what: string): string => {
  const text = `canary${what}${run}`;
  canaries.set(what, text);
  return text;
};

let collector: OtlpReceiver;
let webhook: WebhookReceiver;
let mail: SMTPServer;
let system: System;
beforeAll(async () => {
  [collector, webhook] = await Promise.all([OtlpReceiver.start(), WebhookReceiver.start()]);
  mail = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onAuth: (_auth, _session, done) => done(null, { user: 'bongsu' }),
    // As many do: the address, and what the server thinks of it, in the answer.
    onRcptTo: ({ address }, _session, done) =>
      done(Object.assign(new Error(`${address} is ${canary('SmtpAnswer')}`), { responseCode: 550 })),
  });
  await new Promise<void>((resolve) => mail.listen(0, '127.0.0.1', resolve));
  const { port } = mail.server.address() as { port: number };
  system = await System.start('canaries', ALL, {
    LOG_LEVEL: 'trace',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: `x-key=${canary('CollectorKey')}`,
    SMTP_URL: `smtp://bongsu:${canary('SmtpPassword')}@127.0.0.1:${port}`,
    AUDIT_SALT_KEY: Buffer.from(canary('SaltKey').padEnd(32, 'x')).toString('base64'),
    RETRY_SCHEDULE: '100ms',
    CLAIM_INTERVAL: '50ms',
    // What the loop of the test would otherwise wait for.
    IDEMPOTENCY_WINDOW: '1h',
  });
});
afterAll(async () => {
  await system.stop();
  await Promise.all([collector.stop(), webhook.stop(), new Promise<void>((resolve) => mail.close(() => resolve()))]);
});

const body = (n: string, more: object = {}) => ({
  recipient: {
    id: canary(`Recipient${n}`),
    email: `${canary(`Email${n}`)}@example.org`,
    webhook: { url: `${webhook.url}/${canary(`Path${n}`)}?token=${canary(`Token${n}`)}` },
  },
  channels: ['webhook', 'email', 'log'],
  content: { subject: canary(`Subject${n}`), body: canary(`Body${n}`), html: `<p>${canary(`Html${n}`)}</p>` },
  data: { name: canary(`Data${n}`) },
  metadata: { order: canary(`Metadata${n}`) },
  category: canary(`Category${n}`),
  orderingKey: canary(`OrderingKey${n}`),
  ...more,
});
const ended = (id: string) =>
  waitUntil('it has ended', async () =>
    ['failed', 'delivered', 'partially_delivered', 'cancelled'].includes((await system.notification(id)).status),
  );
const refused = ({ status }: { status: number }): void => {
  if (status < 400 || status > 499) throw new Error(`it was not refused: ${status}`);
};
const ofService = (name: ServiceName): string[] => system.service(name).log.split('\n').filter(Boolean);

/** Every way through the services on which somebody's text meets somebody's log line. */
async function tellEveryCanary(): Promise<string[]> {
  webhook.answer = (call) => ({
    status: call.path.includes('Path1') ? 500 : 400,
    headers: { 'x-note': canary('Answer') },
  });
  const tracestate = `acme=${canary('Tracestate')}`;
  const traceparent = `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
  const ids = [
    await system.send(body('1', { priority: 'urgent' }), {
      'idempotency-key': canary('IdempotencyKey'),
      traceparent,
      tracestate,
    }),
    await system.send(body('2')),
  ];
  const post = (path: string, headers: Record<string, string> = {}) => system.request('post', path).set(headers);
  await post('/v1/notifications', { 'idempotency-key': canary('IdempotencyKey') })
    .send(body('1x'))
    .expect(refused);
  await post('/v1/notifications', { 'idempotency-key': `${canary('BadIdempotencyKey')} blank` })
    .send({})
    .expect(refused);
  await post('/v1/notifications')
    .send({ [canary('Property')]: canary('Value') })
    .expect(refused);
  await post('/v1/notifications', { 'content-type': 'application/json' })
    .send(`{"x": ${canary('Json')}`)
    .expect(refused);
  await post('/v1/notifications/batch', { 'content-type': 'application/x-ndjson' })
    .send(`${canary('Line')}\n`)
    .expect(202);
  await post(`/v1/${canary('Route')}`)
    .send({})
    .expect(refused);
  await system.request('get', `/v1/notifications?status=${canary('Query')}`).expect(refused);
  await system.request('get', `/v1/notifications/${canary('Id')}`).expect(refused);
  await system.request('get', `/v1/notifications?recipient=${canary('Filter')}`).expect(200);
  const key = canary('UnknownKey').padEnd(40, 'x');
  for (const service of ['api', 'audit'] as const) {
    const path = service === 'api' ? '/v1/notifications' : '/v1/audit/records';
    const answer = await fetch(`${system.service(service).url}${path}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(answer.status).toBe(401);
  }
  const made = await makeKey(system.service('api').url, { name: canary('KeyName') });
  canaries.set('made key', made.key);
  await post(`/v1/notifications/${ids[1]}/cancel`).send({});
  return ids;
}

/** Records that no service of ours would write. */
async function writeHostileRecords(): Promise<string> {
  const producer = await producerFor(system);
  const good = requestRecord(requested({ content: { body: canary('Hostile') } }));
  const shapes: Partial<Record<keyof NotificationRequested, unknown>>[] = [
    { priority: canary('Priority') },
    { channels: [canary('Channel')] },
    { recipient: { id: canary('HostileRecipient'), email: 7 } },
    // Well-formed, and PostgreSQL takes no NUL in a text: a failure with all parameters at hand.
    { tenant: `${canary('Tenant')}\0`, content: { body: canary('Poison') } },
    { id: canary('BadId') },
  ];
  const poison = newNotificationId();
  const values = [
    canary('NotJson'),
    ...shapes.map((shape) => JSON.stringify({ ...requested({ id: poison }), ...shape })),
  ];
  for (const topic of [TOPICS.requests.normal, TOPICS.events]) {
    await producer.sendRaw(
      values.map((value) => ({
        topic: topic.name,
        partition: 0,
        key: Buffer.from(canary('Key')),
        value: Buffer.from(value),
        headers: {
          ...good.headers,
          ce_subject: poison,
          ce_source: canary('Source'),
          tracestate: canary('RecordState'),
        },
      })),
    );
  }
  const headers = { ...good.headers, ce_subject: canary('SubjectHeader'), traceparent: canary('Traceparent') };
  await producer.sendRaw([
    {
      topic: TOPICS.requests.normal.name,
      partition: 0,
      key: Buffer.from('k'),
      value: good.value,
      headers: { ...headers, ce_time: canary('Time') },
    },
  ]);
  await producer.close();
  return poison;
}

/** The database goes away under statements that are under way. */
async function breakConnections(): Promise<void> {
  const client = new pg.Client({ connectionString: system.databaseUrl });
  await client.connect();
  await client.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  await client.end();
}

describe('the logs of all services, at the finest level', () => {
  let ids: string[];
  let poison: string;
  beforeAll(async () => {
    ids = await tellEveryCanary();
    await Promise.all(ids.map(ended));
    await breakConnections();
    const again = await system.send(body('3'));
    await ended(again);
    poison = await writeHostileRecords();
    const deadLettered = (name: ServiceName) =>
      ofService(name).filter((line) => line.includes('was dead-lettered')).length;
    await waitUntil(
      'hostile records are dead letters',
      () => deadLettered('notification') >= 6 && deadLettered('api') >= 10,
      { timeoutMs: 40_000 },
    );
    canaries.set('api key', API_KEY);
    canaries.set('webhook secret', WEBHOOK_SECRET);
    for (const name of ALL) canaries.set(`database password of ${name}`, new URL(system.databaseUrlOf(name)).password);
    // The last lines, too.
    for (const name of ALL) await system.service(name).stop();
  });

  it.each(ALL)('of %s hold neither payload nor secret', (name) => {
    const lines = ofService(name);
    const found = [...canaries].flatMap(([what, text]) =>
      lines.filter((line) => line.includes(text)).map((line) => `${what}: ${line.slice(0, 600)}`),
    );
    expect(canaries.size).toBeGreaterThan(50);
    expect(found).toEqual([]);
  });

  it.each(ALL)('of %s are JSON, line by line, each with when, who, how bad and what', (name) => {
    for (const line of ofService(name)) {
      expect(JSON.parse(line)).toMatchObject({
        level: expect.stringMatching(/^(trace|debug|info|warn|error|fatal)$/) as string,
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
        service: name,
        msg: expect.any(String) as string,
      });
    }
  });

  it('say all the same which notification and which trace they are about', () => {
    const about = (name: ServiceName, id: string) =>
      ofService(name)
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter((line) => line['notificationId'] === id);
    const [accepted] = about('api', ids[0]!);
    expect(accepted).toMatchObject({
      msg: 'request',
      status: 202,
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    });
    const deliveries = about('notification', ids[0]!).filter(({ msg }) => msg === 'delivery');
    expect(new Set(deliveries.map((line) => line['trace_id']))).toEqual(new Set([accepted!['trace_id']]));
    expect(deliveries.map((line) => line['code'])).toEqual(
      expect.arrayContaining(['http_500', expect.stringMatching(/^smtp_/)]),
    );
    for (const name of ['api', 'notification'] as const)
      expect(about(name, poison)).toContainEqual(expect.objectContaining({ msg: 'A record was dead-lettered' }));
  });

  it('nor do the traces', () => {
    const known = new Set([...canaries.keys()].filter((what) => what !== 'Tracestate' && what !== 'RecordState'));
    const found = [...known].filter((what) => collector.received.includes(canaries.get(what)!));
    expect(collector.spans.length).toBeGreaterThan(20);
    expect(found).toEqual([]);
  });
});
