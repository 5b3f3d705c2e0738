import { randomBytes } from 'node:crypto';
import { AUDITED_TOPICS, hashApiKey, newNotificationId, TOPICS } from '@bongsu/contracts';
import { Refusals } from '@bongsu/http';
import { registry } from '@bongsu/observability';
import { waitUntil } from '@bongsu/testing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditBench, get, keyChange, OPERATOR, PARTITIONS, request } from './bench.js';

let bench: AuditBench;
let url: string;
let app: NestFastifyApplication;
beforeAll(async () => {
  bench = await AuditBench.start();
  ({ url, app } = await bench.replica());
});
afterAll(() => bench.end());

const countOf = async (topic: string): Promise<number> => {
  const [row] = await bench.database.database.query<{ count: string }>(
    'SELECT count(*) FROM records WHERE topic = $1',
    [topic],
  );
  return Number(row?.count);
};
const recorded = (topic: string, count: number) =>
  waitUntil(`${count} records of ${topic}`, async () => (await countOf(topic)) >= count, { timeoutMs: 30_000 });

describe('recording', () => {
  it('takes every record of every audited topic, poison too, and the chains verify', async () => {
    const poison = (topic: string) => [
      { topic, partition: 0, key: null, value: Buffer.from('{}'), headers: {} },
      {
        topic,
        partition: 1,
        key: Buffer.from([0xff, 0xfe]),
        value: randomBytes(300),
        headers: { ce_id: Buffer.from([0xff]) },
      },
      { topic, partition: 1, key: Buffer.from('k'), value: Buffer.alloc(0), headers: { twice: ['a', 'b'], once: 'c' } },
      { topic, partition: 0, key: Buffer.from('k'), value: randomBytes(900_000), headers: {} },
      { topic, partition: 0, key: Buffer.from('gone'), value: null, headers: {} },
    ];
    for (const { name, cleanup } of AUDITED_TOPICS) {
      // Kafka itself refuses a record without a key where it compacts.
      const records = poison(name).filter(({ key }) => cleanup === 'delete' || key !== null);
      await bench.producer.sendRaw(records);
      await recorded(name, records.length);
    }
    const { status, body } = await get(url, '/v1/audit/verify');
    expect([status, body]).toMatchObject([200, { ok: true, problems: [], chains: AUDITED_TOPICS.length * PARTITIONS }]);
  });

  it('shows a notification with who, what, when and for whom', async () => {
    const id = newNotificationId();
    await bench.producer.send(request(id, 'acme', '봉수/1'));
    await waitUntil(
      'its record',
      async () => (await get(url, `/v1/audit/records?notification=${id}`)).body.data.length === 1,
    );
    const [record] = (await get(url, `/v1/audit/records?notification=${id}&tenant=acme`)).body.data;
    expect(record).toMatchObject({
      topic: 'notification.requests.normal.v1',
      notification: id,
      tenant: 'acme',
      recipient: '봉수/1',
      key: 'acme/봉수/1',
      erased: false,
      payload: { apiKeyId: 'k', recipient: { id: '봉수/1' } },
      hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(record!['headers']).toContainEqual({ name: 'ce_subject', value: id });
    expect(Math.abs(Date.parse(String(record!['timestamp'])) - Date.now())).toBeLessThan(60_000);
  });

  it('goes on after the database has cut all connections, and records everything once', async () => {
    const before = await countOf(TOPICS.requests.normal.name);
    const sent = Array.from({ length: 500 }, (_, i) => request(newNotificationId(), 'acme', `cut-${i}`));
    const sending = Promise.all(sent.map((record) => bench.producer.send(record)));
    for (let i = 0; i < 5; i++) {
      await bench.database.owner.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'bongsu-audit' AND pid <> pg_backend_pid()",
      );
    }
    await sending;
    await recorded(TOPICS.requests.normal.name, before + 500);
    expect(await countOf(TOPICS.requests.normal.name)).toBe(before + 500);
    expect((await get(url, '/v1/audit/verify')).body).toMatchObject({ ok: true });
  });

  it('counts what it does', async () => {
    const metrics = await registry.metrics();
    expect(metrics).toMatch(/audit_chain_head_sequence\{topic="notification.events.v1",partition="0"\} 3/);
    expect(metrics).toMatch(/audit_verify_failures_total 0/);
    expect(metrics).toMatch(/audit_records_total\{topic="notification.commands.v1",result="appended"\} 5/);
  });
});

describe('who sees what', () => {
  const TENANT_KEY = 'acme-key-0123456789-0123456789-0123456789';
  const BLIND_KEY = 'blind-key-123456789-0123456789-0123456789';
  const ADMIN_KEY = 'admin-key-123456789-0123456789-0123456789';
  const ids = { acme: newNotificationId(), other: newNotificationId() };

  beforeAll(async () => {
    await bench.producer.send(request(ids.acme, 'acme', 'a'));
    await bench.producer.send(request(ids.other, 'other', 'b'));
    await bench.producer.send(keyChange(TENANT_KEY, 'key-1', {}));
    await bench.producer.send(keyChange(BLIND_KEY, 'key-2', { scopes: ['notifications:read'] }));
    await bench.producer.send(keyChange(ADMIN_KEY, 'key-3', { scopes: ['admin'] }));
    for (const key of [TENANT_KEY, BLIND_KEY, ADMIN_KEY]) {
      await waitUntil('the key', async () => (await get(url, '/v1/audit/records', key)).status !== 401);
    }
    await waitUntil(
      'both',
      async () => (await get(url, `/v1/audit/records?notification=${ids.other}`)).body.data.length === 1,
    );
  });

  it.each([TENANT_KEY, ADMIN_KEY])('a key sees its own tenant alone, an admin one of a tenant too', async (key) => {
    const seen = await get(url, `/v1/audit/records?limit=100`, key);
    expect(seen.body.data.length).toBeGreaterThan(0);
    expect(seen.body.data.every(({ tenant }) => tenant === 'acme')).toBe(true);
    expect((await get(url, `/v1/audit/records?notification=${ids.other}`, key)).body.data).toEqual([]);
    expect((await get(url, '/v1/audit/records?tenant=other', key)).status).toBe(403);
    expect((await get(url, '/v1/audit/export', key)).status).toBe(403);
  });

  it('needs the scope, and a key', async () => {
    for (const path of ['records', 'chains', 'verify', 'export']) {
      expect((await get(url, `/v1/audit/${path}`, BLIND_KEY)).status).toBe(403);
      expect((await get(url, `/v1/audit/${path}`, '')).status).toBe(401);
      expect((await get(url, `/v1/audit/${path}`, `${OPERATOR}x`)).status).toBe(401);
    }
  });

  it('refuses a key within seconds of its revocation, an expired one, and one that was deleted', async () => {
    const revokedAt = new Date().toISOString();
    await bench.producer.send(keyChange(TENANT_KEY, 'key-1', { revokedAt }));
    await bench.producer.send(keyChange(ADMIN_KEY, 'key-3', { scopes: ['admin'], expiresAt: revokedAt }));
    await bench.producer.send({ ...keyChange(BLIND_KEY, 'key-2', {}), value: Buffer.from('not a change of a key') });
    for (const key of [TENANT_KEY, ADMIN_KEY]) {
      await waitUntil('the refusal', async () => (await get(url, '/v1/audit/records', key)).status === 401, {
        timeoutMs: 5_000,
      });
    }
    // A record that is no change of a key takes nothing away either.
    expect((await get(url, '/v1/audit/records', BLIND_KEY)).status).toBe(403);
    const partition = (await bench.producer.send(keyChange(BLIND_KEY, 'key-2', {}))).partition;
    const { name: topic } = TOPICS.accessKeys;
    await bench.producer.sendRaw([{ topic, partition, key: Buffer.from('key-2'), value: null, headers: {} }]);
    await waitUntil('the refusal', async () => (await get(url, '/v1/audit/records', BLIND_KEY)).status === 401);
  });
});

describe('what is on record about who comes', () => {
  const TYPES = { refused: 'bongsu.access.refused.v1', read: 'bongsu.audit.read.v1' };
  interface Told {
    readonly parameters: Record<string, string>;
    readonly keyFingerprint?: string;
  }
  const recordsOf = async (type: string): Promise<Told[]> => {
    const { body } = await get(url, `/v1/audit/records?type=${type}&limit=100`);
    return body.data.map(({ payload }) => payload as Told);
  };

  it('has every reading of records, before it is answered', async () => {
    const path = '/v1/audit/records?tenant=acme&recipient=somebody';
    expect((await get(url, path)).status).toBe(200);
    await waitUntil('its record', async () =>
      (await recordsOf(TYPES.read)).some(({ parameters }) => parameters['recipient'] === 'somebody'),
    );
    const found = (await recordsOf(TYPES.read)).find(({ parameters }) => parameters['recipient'] === 'somebody');
    expect(found).toMatchObject({
      tenant: 'default',
      apiKeyId: 'bootstrap',
      route: '/v1/audit/records',
      parameters: { tenant: 'acme', recipient: 'somebody' },
    });
  });

  it('does not show records when it cannot be recorded, and verifies all the same', async () => {
    const alone = await bench.replica({ KAFKA_BROKERS: ['127.0.0.1:1'] });
    for (const path of ['records', 'export']) expect((await get(alone.url, `/v1/audit/${path}`)).status).toBe(503);
    expect((await get(alone.url, '/v1/audit/verify')).status).toBe(200);
    await alone.stop();
  });

  it('has keys that were refused, alike ones together, and never the key', async () => {
    const bad = 'wrong-key-0123456789-0123456789-0123456789';
    for (let i = 0; i < 5; i++) expect((await get(url, '/v1/audit/chains', bad)).status).toBe(401);
    await app.get(Refusals).flush();
    const mine = async (): Promise<Told | undefined> =>
      (await recordsOf(TYPES.refused)).find(({ keyFingerprint }) => keyFingerprint === hashApiKey(bad).slice(0, 12));
    await waitUntil('its record', async () => (await mine()) !== undefined);
    expect(await mine()).toMatchObject({ status: 401, count: 5, route: '/v1/audit/chains', tenant: '-' });
    const [row] = await bench.database.database.query<{ count: string }>(
      'SELECT count(*) FROM records WHERE position($1::bytea IN payload) > 0',
      [Buffer.from(bad)],
    );
    expect(row?.count).toBe('0');
  });
});

describe('reading', () => {
  it('goes through all records by cursor, each once, newest first', async () => {
    // What is read is on record too, so that there would always be a newer one.
    const to = Date.now();
    const [counted] = await bench.database.database.query<{ count: string }>(
      'SELECT count(*) FROM records WHERE timestamp_ms < $1',
      [to],
    );
    const total = Number(counted?.count);
    const until = encodeURIComponent(new Date(to).toISOString());
    const seen: string[] = [];
    const times: string[] = [];
    let cursor = '';
    for (let pages = 0; pages < 100; pages++) {
      const { body } = await get(url, `/v1/audit/records?limit=37&to=${until}${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.data.map(({ chain, sequence }) => `${String(chain)}#${String(sequence)}`));
      times.push(...body.data.map(({ timestamp }) => String(timestamp)));
      if (body.nextCursor === null) break;
      cursor = body.nextCursor;
    }
    expect(seen).toHaveLength(total);
    expect(new Set(seen).size).toBe(total);
    expect(times).toEqual(times.toSorted().toReversed());
  });

  it('filters by recipient and topic', async () => {
    const id = newNotificationId();
    await bench.producer.send(request(id, 'acme', 'filtered/1'));
    const path = '/v1/audit/records?tenant=acme&recipient=filtered%2F1&topic=notification.requests.normal.v1';
    await waitUntil('its record', async () => (await get(url, path)).body.data.length > 0);
    expect((await get(url, path)).body.data.map(({ notification }) => notification)).toEqual([id]);
    expect((await get(url, path.replace('normal', 'bulk'))).body.data).toEqual([]);
  });

  it('filters by type and time', async () => {
    const type = 'bongsu.access-key.changed.v1';
    const { body } = await get(url, `/v1/audit/records?type=${type}&limit=100`);
    expect(body.data.length).toBeGreaterThan(0);
    expect(body.data.every((record) => record['type'] === type)).toBe(true);
    const future = encodeURIComponent(new Date(Date.now() + 60_000).toISOString());
    expect((await get(url, `/v1/audit/records?from=${future}`)).body.data).toEqual([]);
    expect((await get(url, `/v1/audit/records?to=${future}&limit=1`)).body.data).toHaveLength(1);
  });

  it('lists the heads, all or by page', async () => {
    const namesOf = (heads: Record<string, unknown>[]): unknown[] => heads.map(({ chain }) => chain);
    const all = namesOf((await get(url, '/v1/audit/chains')).body.data);
    expect(all).toHaveLength(AUDITED_TOPICS.length * PARTITIONS);
    const first = (await get(url, '/v1/audit/chains?limit=5')).body;
    const second = (await get(url, `/v1/audit/chains?limit=100&cursor=${first.nextCursor}`)).body;
    expect(namesOf([...first.data, ...second.data])).toEqual(all);
    expect(second.nextCursor).toBeNull();
  });

  it.each([
    ['records?limit=0', 400],
    ['records?limit=101', 400],
    ['records?limit=x', 400],
    ['records?cursor=x', 400],
    [`records?cursor=${Buffer.from('["99999999999999999999","t","0","1"]').toString('base64url')}`, 400],
    [`records?cursor=${Buffer.from('["9999999999999999999","t","0","1"]').toString('base64url')}`, 400],
    ['records?from=yesterday', 400],
    ['records?tenant=', 400],
    ['records?tenant=%00', 400],
    ['records?tenat=acme', 400],
    ['records?tenant=a&tenant=b', 400],
    ['verify?deep=true', 400],
    ['chains?cursor=x', 400],
    ['export?chain=%0a', 400],
    ['export?after=1', 400],
    ['export?chain=t/0&after=-1', 400],
    ['nothing', 404],
  ])('refuses %s', async (path, status) => {
    const { body, ...answer } = await get(url, `/v1/audit/${path}`);
    expect([answer.status, body['status'], typeof body['code']]).toEqual([status, status, 'string']);
  });

  it('refuses another method, and says which there are', async () => {
    const answer = await fetch(`${url}/v1/audit/verify`, {
      method: 'POST',
      headers: { authorization: `Bearer ${OPERATOR}` },
    });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('describes itself', async () => {
    const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: object };
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining(['/v1/audit/records', '/v1/audit/chains', '/v1/audit/verify', '/v1/audit/export']),
    );
    expect((await fetch(`${url}/docs`)).status).toBe(200);
  });
});
