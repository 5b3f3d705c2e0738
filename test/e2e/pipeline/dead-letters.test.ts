import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../api/api-system.js';
import { notificationOf } from './load.js';
import { WebhookReceiver } from './receivers.js';
import { API_KEY, System } from './system.js';

let system: System;
let webhook: WebhookReceiver;
beforeAll(async () => {
  webhook = await WebhookReceiver.start();
  system = await System.start('redrive', ['api', 'notification', 'audit'], {
    RETRY_SCHEDULE: '100ms',
    CLAIM_INTERVAL: '50ms',
  });
});
afterAll(async () => {
  await system.stop();
  await webhook.stop();
});

const body = (recipient: string, path = '/') => ({
  recipient: { id: recipient, webhook: { url: `${webhook.url}${path}` } },
  channels: ['webhook'],
  content: { body: 'The beacon is lit.' },
});
const statusOf = (id: string) => async (): Promise<string> => (await system.notification(id)).status;
const callsOf = (id: string) => webhook.calls.filter((each) => notificationOf(each.body) === id);
const redrive = (order: object) => system.request('post', '/v1/dead-letters/redrive').send(order);
const dry = (filter: object) => async () =>
  ((await redrive({ filter, dryRun: true })).body as { matched: number }).matched;

describe('a dead letter', () => {
  it('is listed, redriven, and delivered with the same id and a new schedule; the audit knows who asked', async () => {
    webhook.answer = () => 503;
    const id = await system.send(body('user-1'));
    await expect.poll(statusOf(id), { timeout: 20_000 }).toBe('failed');
    const letters = (await system.request('get', '/v1/dead-letters?recipient=user-1').expect(200)).body as {
      data: object[];
    };
    expect(letters.data).toMatchObject([
      { notificationId: id, channel: 'webhook', attempts: 2, error: { code: 'http_503' }, priority: 'normal' },
    ]);

    // Fails once more, so that there must be a retry: the first schedule has none left.
    webhook.answer = (each) => (callsOf(notificationOf(each.body)).length <= 3 ? 503 : 204);
    await redrive({ filter: { recipient: 'user-1' } }).expect(202);
    await expect.poll(statusOf(id), { timeout: 20_000 }).toBe('delivered');
    const { deliveries } = await system.notification(id);
    expect(deliveries[0]!.attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
      [1, 'retry'],
      [2, 'retry'],
      [3, 'retry'],
      [4, 'done'],
    ]);
    expect(new Set(callsOf(id).map(({ headers }) => headers['webhook-id']))).toEqual(new Set([deliveries[0]!.id]));
    expect(await dry({ recipient: 'user-1' })()).toBe(0);
    const { data } = (await system.request('get', `/v1/notifications/${id}/timeline`).expect(200)).body as {
      data: { type: string; reason?: string }[];
    };
    expect(data.map(({ type }) => type)).toContain('bongsu.delivery.redrive-requested.v1');
    expect(data.find(({ reason }) => reason === 'redriven')).toMatchObject({ type: 'bongsu.delivery.retrying.v1' });
    const audited = async () => {
      const answer = await fetch(`${system.service('audit').url}/v1/audit/records?notification=${id}&limit=100`, {
        headers: { authorization: `Bearer ${API_KEY}` },
      });
      return ((await answer.json()) as { data: { type: string }[] }).data.map(({ type }) => type);
    };
    await expect.poll(audited, { timeout: 15_000 }).toContain('bongsu.delivery.redrive-requested.v1');
  });

  it('may be one of many: redriven twice, at a pace, with a kill in the middle, each is delivered once', async () => {
    const COUNT = 300;
    const RATE = 100;
    webhook.answer = () => 503;
    const sent = await Promise.all(Array.from({ length: COUNT }, (_, n) => system.send(body(`many-${n}`, '/many'))));
    const filter = { reason: 'http_503', channel: 'webhook' };
    await expect.poll(dry(filter), { timeout: 60_000, interval: 500 }).toBe(COUNT);

    webhook.answer = () => 204;
    const before = webhook.calls.length;
    const began = Date.now();
    await redrive({ filter, ratePerSecond: RATE }).expect(202, new RegExp(`"matched":${COUNT}`));
    await redrive({ filter, ratePerSecond: RATE }).expect(202);
    await system.killAndRestart('notification');
    const notDelivered = async () => {
      const { data } = (await system.request('get', '/v1/notifications?status=delivered&limit=100&channel=webhook'))
        .body as {
        data: object[];
      };
      return webhook.calls.length - before < COUNT || data.length < 100;
    };
    await expect.poll(notDelivered, { timeout: 60_000, interval: 500 }).toBe(false);
    await expect.poll(dry({}), { timeout: 20_000 }).toBe(0);
    for (const id of sent) await expect.poll(statusOf(id), { timeout: 20_000 }).toBe('delivered');

    const calls = webhook.calls.slice(before);
    const delivered = Map.groupBy(calls, (each) => notificationOf(each.body));
    expect([...delivered.keys()].toSorted()).toEqual(sent.toSorted());
    // Those in flight at the kill may come twice, with the same id.
    for (const each of delivered.values())
      expect(new Set(each.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    const lastAt = Math.max(...calls.map(({ startedAt }) => startedAt)) - began;
    expect(lastAt).toBeGreaterThanOrEqual(((COUNT - 1) / RATE) * 1000 - 50);
  });
});

describe('an endpoint that answers 410', () => {
  it('is called no more, is listed, and is called again when it was enabled', async () => {
    webhook.answer = (_each, path) => (path === '/gone' ? 410 : 204);
    const first = await system.send(body('gone-1', '/gone'));
    await expect.poll(statusOf(first), { timeout: 20_000 }).toBe('failed');
    const list = async () =>
      ((await system.request('get', '/v1/disabled-endpoints').expect(200)).body as { data: { endpoint: string }[] })
        .data;
    const endpoint = `${webhook.url}/gone`;
    await expect.poll(list, { timeout: 20_000 }).toMatchObject([{ channel: 'webhook', endpoint }]);

    const second = await system.send(body('gone-2', '/gone#other'));
    await expect.poll(statusOf(second), { timeout: 20_000 }).toBe('failed');
    expect((await system.notification(second)).deliveries).toMatchObject([
      { status: 'rejected', reason: 'endpoint_disabled', attempts: [] },
    ]);
    expect(callsOf(second)).toEqual([]);
    const elsewhere = await system.send(body('gone-1', '/here'));
    await expect.poll(statusOf(elsewhere), { timeout: 20_000 }).toBe('delivered');

    webhook.answer = () => 204;
    const query = new URLSearchParams({ channel: 'webhook', endpoint });
    await call(system.service('api').url, 'delete', `/v1/disabled-endpoints?${query}`).expect(202);
    await expect.poll(list, { timeout: 20_000 }).toEqual([]);
    const third = await system.send(body('gone-3', '/gone'));
    await expect.poll(statusOf(third), { timeout: 20_000 }).toBe('delivered');
  });
});
