import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MailReceiver, WebhookReceiver } from './receivers.js';
import { API_KEY, System } from './system.js';

const SECRET = 'gwanaksan-beacon';
let system: System;
let mail: MailReceiver;
let webhook: WebhookReceiver;
let database: Client;

beforeAll(async () => {
  [mail, webhook] = await Promise.all([MailReceiver.start(), WebhookReceiver.start()]);
  // What fails stays pending for long, and says in its message what it was about.
  webhook.answer = (_call, path) => (path.includes('down') ? 503 : 204);
  system = await System.start('erasure', ['api', 'notification', 'audit'], {
    SMTP_URL: mail.url,
    RETRY_SCHEDULE: '10m,10m',
    CLAIM_INTERVAL: '50ms',
  });
  database = new Client({ connectionString: system.databaseUrl });
  await database.connect();
});
afterAll(async () => {
  await database.end();
  await system.stop();
  await Promise.all([mail.stop(), webhook.stop()]);
});

const body = (recipient: string, path: string) => ({
  recipient: {
    id: recipient,
    email: `${recipient}-${SECRET}@example.org`,
    webhook: { url: `${webhook.url}${path}?${SECRET}` },
  },
  content: { subject: `Subject ${SECRET}`, body: `Body ${SECRET}` },
  metadata: { note: SECRET },
});
const statusOf = (id: string) => async (): Promise<string> => (await system.notification(id)).status;

async function call(
  method: string,
  url: string,
  path: string,
  key = API_KEY,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${key}` } });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}
const api = (method: string, path: string, key?: string) => call(method, system.service('api').url, path, key);

/** Every table of every service, as text, in which the words stand in a row that has to do with the recipient. */
async function placesOf(word: string): Promise<string[]> {
  const { rows } = await database.query<{ schema: string; name: string }>(
    `SELECT table_schema AS schema, table_name AS name FROM information_schema.tables
     WHERE table_schema IN ('api', 'notification', 'audit') AND table_type = 'BASE TABLE'`,
  );
  const places: string[] = [];
  for (const { schema, name } of rows) {
    const found = await database.query(
      `SELECT 1 FROM ${schema}."${name}" t WHERE position($1 IN t::text) > 0 OR position(encode($2::bytea, 'hex') IN t::text) > 0 LIMIT 1`,
      [word, Buffer.from(word)],
    );
    if (found.rowCount !== 0) places.push(`${schema}.${name}`);
  }
  return places;
}

describe('the erasure of a recipient', () => {
  it('takes the person out of every table, cancels what waits, and leaves an audit trail that verifies', async () => {
    const sent = await system.send({ ...body('kim/1', '/ok'), channels: ['email', 'webhook'] });
    const waiting = await system.send({ ...body('kim/1', '/down'), channels: ['webhook'] });
    const ordered = await system.send({ ...body('kim/1', '/down'), channels: ['webhook'], orderingKey: 'o-1' });
    const later = await system.send({
      ...body('kim/1', '/ok'),
      channels: ['email'],
      sendAt: new Date(Date.now() + 3_600_000).toISOString(),
    });
    await expect.poll(statusOf(sent), { timeout: 15_000 }).toBe('delivered');
    for (const id of [waiting, ordered]) {
      await expect
        .poll(async () => (await system.notification(id)).deliveries[0]?.attempts.length, { timeout: 15_000 })
        .toBe(1);
    }
    expect(await placesOf(SECRET)).not.toEqual([]);

    const asked = await api('DELETE', '/v1/recipients/kim%2F1?erase=true');
    expect([asked.status, asked.body]).toMatchObject([202, { erasureId: expect.any(String) as string }]);
    for (const id of [waiting, ordered, later]) await expect.poll(statusOf(id), { timeout: 20_000 }).toBe('cancelled');
    await expect
      .poll(async () => (await api('GET', '/v1/recipients/kim%2F1/erasure')).body, { timeout: 30_000 })
      .toMatchObject({ erasureId: asked.body['erasureId'], notifications: 4, done: true });
    // The outbox keeps what it sent for a day, and is no place where anybody reads.
    await expect
      .poll(async () => (await placesOf(SECRET)).filter((place) => !place.includes('outbox')), { timeout: 30_000 })
      .toEqual([]);

    const { status, deliveries } = await system.notification(sent);
    expect([status, deliveries.map(({ attempts }) => attempts.length)]).toEqual(['delivered', [1, 1]]);
    const verified = await call('GET', system.service('audit').url, '/v1/audit/verify');
    expect(verified.body).toMatchObject({ ok: true, problems: [] });
    const recorded = await call(
      'GET',
      system.service('audit').url,
      '/v1/audit/records?type=bongsu.recipient.erased.v1',
    );
    expect(recorded.body['data']).toMatchObject([
      { recipient: 'kim/1', payload: { apiKeyId: 'bootstrap' }, erased: false },
    ]);
  }, 120_000);

  it('counts for what was accepted before it and taken in after it', async () => {
    await system.service('notification').stop();
    const id = await system.send({ ...body('lee', '/down'), channels: ['webhook'] });
    expect((await api('DELETE', '/v1/recipients/lee?erase=true')).status).toBe(202);
    await system.startService('notification');
    await expect.poll(statusOf(id), { timeout: 40_000 }).toBe('cancelled');
    const ledger = async (): Promise<string[]> =>
      (await placesOf(`lee-${SECRET}`)).filter((place) => !place.includes('outbox'));
    await expect.poll(ledger, { timeout: 40_000 }).toEqual([]);
  }, 120_000);

  it('is about what was accepted before; what comes after is sent', async () => {
    const id = await system.send({ ...body('kim/1', '/ok'), channels: ['email'] });
    await expect.poll(statusOf(id), { timeout: 15_000 }).toBe('delivered');
    expect(await placesOf(`kim/1-${SECRET}`)).toContain(`api.${await partitionOf('api', id)}`);
  });

  it('takes the word and the scope', async () => {
    expect((await api('DELETE', '/v1/recipients/kim%2F1')).status).toBe(400);
    expect((await api('DELETE', '/v1/recipients/kim%2F1?erase=false')).status).toBe(400);
    expect((await api('DELETE', '/v1/recipients/kim%2F1?erase=true&x=1')).status).toBe(400);
    expect((await api('DELETE', '/v1/recipients/%00?erase=true')).status).toBe(400);
    expect((await api('DELETE', '/v1/recipients/kim?erase=true', `${API_KEY}x`)).status).toBe(401);
    expect((await api('GET', '/v1/recipients/nobody/erasure')).status).toBe(404);
    const made = await system
      .request('post', '/v1/api-keys')
      .send({ name: 'eraser', tenant: 'default', scopes: ['notifications:write'] });
    const { key } = made.body as { key: string };
    expect((await api('DELETE', '/v1/recipients/kim?erase=true', key)).status).toBe(403);
  });
});

async function partitionOf(schema: string, id: string): Promise<string> {
  const { rows } = await database.query<{ name: string }>(
    `SELECT relname AS name FROM ${schema}.notifications n JOIN pg_class c ON c.oid = n.tableoid WHERE n.id = $1`,
    [id],
  );
  return rows[0]!.name;
}
