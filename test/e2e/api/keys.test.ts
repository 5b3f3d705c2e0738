import { hashApiKey, TOPICS } from '@bongsu/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, call, logged, makeKey, recordsOf, System } from './api-system.js';
import type { ServiceProcess } from '@bongsu/testing';

let system: System;
let service: ServiceProcess;
let url: string;
let replica: ServiceProcess;
beforeAll(async () => {
  system = await System.start('keys', ['api']);
  service = system.service('api');
  url = service.url;
  replica = await system.startService('api');
});
afterAll(async () => {
  await Promise.all([service.stop(), replica.stop()]);
});

const status = async (key: string, at = url): Promise<number> =>
  (await call(at, 'get', '/v1/notifications', key)).status;
const keys = (method: 'get' | 'post' | 'delete', path = '', key = API_KEY) =>
  call(url, method, `/v1/api-keys${path}`, key);

describe('API keys', () => {
  it('are shown once, kept as a hash, published, and good on every replica within seconds', async () => {
    const answer = await keys('post').send({ name: 'ci', tenant: 'acme' }).expect(201);
    const made = answer.body as { id: string; key: string };
    expect(made).toMatchObject({ name: 'ci', tenant: 'acme', scopes: ['notifications:write', 'notifications:read'] });
    expect(made.key).toMatch(/^bongsu_[A-Za-z0-9_-]{43}$/);
    expect(await status(made.key)).toBe(200);
    await expect.poll(() => status(made.key, replica.url), { timeout: 5_000 }).toBe(200);

    const listed = (await keys('get').expect(200)).body as { data: object[] };
    expect(listed.data.map((each) => (each as { id: string }).id)).toContain(made.id);
    expect(JSON.stringify(listed)).not.toContain(made.key);
    const published = async () =>
      (await recordsOf(system, TOPICS.accessKeys)).filter(({ key }) => key?.toString() === made.id);
    await expect.poll(published, { timeout: 10_000 }).toHaveLength(1);
    const [record] = await published();
    expect(JSON.parse(record!.value!.toString())).toMatchObject({ hash: hashApiKey(made.key), tenant: 'acme' });
    expect(record!.value!.toString()).not.toContain(made.key);
  });

  it('are refused everywhere within seconds once revoked, and the revocation is published', async () => {
    const made = await makeKey(url);
    await expect.poll(() => status(made.key, replica.url), { timeout: 5_000 }).toBe(200);
    await keys('delete', `/${made.id}`).expect(204);
    expect(await status(made.key)).toBe(401);
    await expect.poll(() => status(made.key, replica.url), { timeout: 5_000 }).toBe(401);
    await keys('delete', `/${made.id}`).expect(204);
    const revoked = async () =>
      (await recordsOf(system, TOPICS.accessKeys)).some(
        ({ key, value }) => key?.toString() === made.id && value!.includes('revokedAt'),
      );
    await expect.poll(revoked, { timeout: 10_000 }).toBe(true);
  });

  it('expire', async () => {
    const made = await makeKey(url, { expiresAt: new Date(Date.now() + 1_500).toISOString() });
    expect(await status(made.key)).toBe(200);
    await expect.poll(() => status(made.key), { timeout: 5_000 }).toBe(401);
  });

  it('do what their scopes say, and no more', async () => {
    const reader = await makeKey(url, { scopes: ['notifications:read'] });
    const writer = await makeKey(url, { scopes: ['notifications:write'] });
    expect(await status(reader.key)).toBe(200);
    expect(await status(writer.key)).toBe(403);
    const post = (key: string) => call(url, 'post', '/v1/notifications', key).send(logged('u'));
    expect((await post(writer.key)).status).toBe(202);
    const refused = await post(reader.key).expect(403);
    expect(refused.body).toMatchObject({ code: 'forbidden' });
    for (const key of [reader.key, writer.key]) await keys('get', '', key).expect(403);
  });

  it("let an admin of a tenant manage that tenant's keys only", async () => {
    const admin = await makeKey(url, { tenant: 'island', scopes: ['admin'] });
    const own = (await keys('post', '', admin.key).send({ name: 'x', tenant: 'island' }).expect(201)).body as {
      id: string;
    };
    await keys('post', '', admin.key).send({ name: 'x', tenant: 'acme' }).expect(403);
    const foreign = await makeKey(url);
    await keys('delete', `/${foreign.id}`, admin.key).expect(404);
    const { data } = (await keys('get', '', admin.key).expect(200)).body as { data: { id: string; tenant: string }[] };
    expect(data.map(({ id }) => id).sort()).toEqual([admin.id, own.id].sort());
    await keys('delete', `/${own.id}`, admin.key).expect(204);
  });

  it('are listed in pages', async () => {
    const first = (await keys('get', '?limit=2').expect(200)).body as { data: { id: string }[]; nextCursor: string };
    const next = (await keys('get', `?limit=2&cursor=${first.nextCursor}`).expect(200)).body as {
      data: { id: string }[];
    };
    expect(new Set([...first.data, ...next.data].map(({ id }) => id)).size).toBe(4);
  });

  it.each([
    ['no tenant', { name: 'x' }, '/tenant'],
    ['a tenant in capitals', { name: 'x', tenant: 'Acme' }, '/tenant'],
    ['a tenant with a slash', { name: 'x', tenant: 'a/b' }, '/tenant'],
    ['an unknown scope', { name: 'x', tenant: 'a', scopes: ['root'] }, '/scopes/0'],
    ['no scope', { name: 'x', tenant: 'a', scopes: [] }, '/scopes'],
    ['a name with a line break', { name: 'a\r\nb', tenant: 'a' }, '/name'],
    ['an expiry in the past', { name: 'x', tenant: 'a', expiresAt: '2020-01-01T00:00:00Z' }, '/expiresAt'],
    ['a key of its own', { name: 'x', tenant: 'a', key: 'mine' }, '/key'],
  ])('answers 422 to %s', async (_what, body, pointer) => {
    const answer = await keys('post').send(body).expect(422);
    expect(answer.body).toMatchObject({ errors: [{ pointer }] });
  });

  it('answers 404 to an id that is not one', async () => {
    for (const id of ['x', '00000000-0000-0000-0000-000000000000']) {
      expect((await keys('delete', `/${id}`)).status).toBe(404);
    }
  });
});
