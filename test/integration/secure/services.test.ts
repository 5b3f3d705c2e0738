import { waitUntil, type ServiceProcess } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SecureSystem } from './system.js';

let system: SecureSystem;
let [api, notification, audit]: ServiceProcess[] = [];
beforeAll(async () => {
  system = await SecureSystem.start();
  [api, notification, audit] = await Promise.all([
    system.startService('api'),
    system.startService('notification'),
    system.startService('audit'),
  ]);
}, 120_000);
afterAll(() => system?.stop());

describe('in secure mode', () => {
  test('a notification is delivered and recorded', async () => {
    const answer = await system
      .request(api!, 'post', '/v1/notifications')
      .send({ recipient: { id: 'user-1' }, channels: ['log'], content: { body: 'The beacon is lit.' } })
      .expect(202);
    const { id } = answer.body as { id: string };
    await waitUntil('it is delivered', async () => {
      const { body } = await system.request(api!, 'get', `/v1/notifications/${id}`);
      return (body as { status: string }).status === 'delivered';
    });
    await waitUntil('all of it is recorded', async () => {
      const { body } = await system.request(audit!, 'get', `/v1/audit/records?notification=${id}`);
      return (body as { data: unknown[] }).data.length >= 2;
    });
    const { body } = await system.request(audit!, 'get', '/v1/audit/verify').expect(200);
    expect(body).toMatchObject({ ok: true, problems: [] });
    expect(notification!.running).toBe(true);
  });
});
