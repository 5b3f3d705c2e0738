import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '@bongsu/testing';
import { buildApps } from '../../../tools/build/build-apps.ts';
import { releasedVersions } from '../../../tools/contracts/released.ts';
import { MailReceiver, WebhookReceiver } from '../../e2e/pipeline/receivers.js';
import { API_KEY, System } from '../../e2e/pipeline/system.js';
import { Release } from './releases.js';

/** Everything that the services of today write, read with the schemas of each release. What fails here fails for whoever rolls back. */

let system: System;
let mail: MailReceiver;
let webhook: WebhookReceiver;

beforeAll(async () => {
  await buildApps();
  [mail, webhook] = await Promise.all([MailReceiver.start(), WebhookReceiver.start()]);
  webhook.answer = (_call, path) => ({ '/gone': 410, '/down': 503 })[path] ?? 204;
  system = await System.start('today', ['api', 'notification', 'audit'], {
    SMTP_URL: mail.url,
    RETRY_SCHEDULE: '100ms',
    CLAIM_INTERVAL: '50ms',
  });
  await doEverything();
  // What was noted of refused keys is written at the latest when a service stops.
  await system.stop();
}, 180_000);
afterAll(async () => {
  await system.stop();
  await Promise.all([mail.stop(), webhook.stop()]);
});

const request = (recipient: string, more: object = {}) => ({
  recipient: { id: recipient, email: 'a@example.org', webhook: { url: `${webhook.url}/ok` } },
  channels: ['log'],
  content: { subject: 'Hello', body: 'The beacon is lit.', html: '<p>The beacon is lit.</p>' },
  ...more,
});
const at = (path: string, recipient: string) =>
  request(recipient, {
    recipient: { id: recipient, webhook: { url: `${webhook.url}${path}` } },
    channels: ['webhook'],
  });
const until = (id: string, wanted: string): Promise<unknown> =>
  waitUntil(`${id} is ${wanted}`, async () => (await system.notification(id)).status === wanted);
const later = (ms: number): string => new Date(Date.now() + ms).toISOString();

async function call(method: string, url: string, body?: object, key = API_KEY): Promise<Response> {
  return fetch(url, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
}

async function doEverything(): Promise<void> {
  const { url } = system.service('api');
  const whole = { priority: 'urgent', locale: 'ko-KR', category: 'billing', orderingKey: 'o', metadata: { a: 'b' } };
  const delivered = await system.send(
    request('one', { ...whole, channels: ['email', 'webhook', 'log'], data: { a: 1 } }),
  );
  const expired = await system.send(
    request('two', { sendAt: later(2_000), expiresAt: later(2_001), priority: 'bulk' }),
  );
  const cancelled = await system.send(request('three', { sendAt: later(3_600_000) }));
  await until(cancelled, 'scheduled');
  await system.request('post', `/v1/notifications/${cancelled}/cancel`).expect(202);
  const dead = await system.send(at('/down', 'four'));
  const rejected = await system.send(at('/gone', 'five'));
  for (const [id, end] of [
    [delivered, 'delivered'],
    [expired, 'expired'],
    [cancelled, 'cancelled'],
    [dead, 'failed'],
    [rejected, 'failed'],
  ] as const)
    await until(id, end);

  webhook.answer = () => 204;
  await system
    .request('post', '/v1/dead-letters/redrive')
    .send({ filter: { recipient: 'four' } })
    .expect(202);
  await until(dead, 'delivered');
  await enableAgain(url);

  const made = (await (await call('POST', `${url}/v1/api-keys`, { name: 'a', tenant: 'default' })).json()) as {
    id: string;
  };
  expect((await call('DELETE', `${url}/v1/api-keys/${made.id}`)).ok).toBe(true);
  expect((await call('GET', `${url}/v1/notifications`, undefined, 'x'.repeat(40))).status).toBe(401);
  expect((await call('GET', `${system.service('audit').url}/v1/audit/records`)).status).toBe(200);
  expect((await call('DELETE', `${url}/v1/recipients/one?erase=true`)).status).toBe(202);
}

/** What is sent to an endpoint that answered 410 is not sent at all, until somebody enables it. */
async function enableAgain(url: string): Promise<void> {
  const disabled = `${url}/v1/disabled-endpoints`;
  const listed = async (): Promise<unknown[]> =>
    ((await (await call('GET', disabled)).json()) as { data: unknown[] }).data;
  await waitUntil('the endpoint is disabled', async () => (await listed()).length === 1);
  const refused = await system.send(at('/gone', 'five'));
  await until(refused, 'failed');
  const query = new URLSearchParams({ channel: 'webhook', endpoint: `${webhook.url}/gone` });
  expect((await call('DELETE', `${disabled}?${query}`)).status).toBeLessThan(300);
  await waitUntil('the endpoint is enabled', async () => (await listed()).length === 0);
}

/** What was done above leaves events of these types, topic by topic. */
const WRITTEN: Record<string, readonly string[]> = {
  'notification.requests.urgent.v1': ['bongsu.notification.requested.v1'],
  'notification.requests.normal.v1': ['bongsu.notification.requested.v1'],
  'notification.requests.bulk.v1': ['bongsu.notification.requested.v1'],
  'notification.commands.v1': [
    'bongsu.delivery.redrive-requested.v1',
    'bongsu.endpoint.enable-requested.v1',
    'bongsu.notification.cancel-requested.v1',
  ],
  'notification.events.v1': [
    'bongsu.delivery.cancelled.v1',
    'bongsu.delivery.dead.v1',
    'bongsu.delivery.delivered.v1',
    'bongsu.delivery.expired.v1',
    'bongsu.delivery.rejected.v1',
    'bongsu.delivery.retrying.v1',
    'bongsu.endpoint.disabled.v1',
    'bongsu.endpoint.enabled.v1',
  ],
  'directory.recipients.v1': ['bongsu.recipient.erased.v1'],
  'access.keys.v1': ['bongsu.access-key.changed.v1'],
  'access.log.v1': ['bongsu.access.refused.v1', 'bongsu.audit.read.v1'],
};

describe.each(releasedVersions())('a consumer of %s, of what the services of today write', (version) => {
  it.each(Object.entries(WRITTEN))('reads everything on %s', async (topic, types) => {
    const records = await (await Release.read(version)).decode(system, topic);
    const found = new Set(records.map(({ event }) => event.type));
    expect(types.filter((type) => !found.has(type))).toEqual([]);
  });
});
