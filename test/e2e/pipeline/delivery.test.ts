import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { notificationOf } from './load.js';
import { MailReceiver, WebhookReceiver } from './receivers.js';
import { API_KEY, System, WEBHOOK_SECRET } from './system.js';

let system: System;
let mail: MailReceiver;
let webhook: WebhookReceiver;

beforeAll(async () => {
  [mail, webhook] = await Promise.all([MailReceiver.start(), WebhookReceiver.start()]);
  system = await System.start('delivery', ['api', 'notification', 'audit'], {
    SMTP_URL: mail.url,
    RETRY_SCHEDULE: '200ms,300ms',
    CLAIM_INTERVAL: '50ms',
  });
});
afterAll(async () => {
  await system.stop();
  await Promise.all([mail.stop(), webhook.stop()]);
});

const body = (recipient: string, path = '/ok') => ({
  recipient: { id: recipient, email: `${recipient}@example.org`, webhook: { url: `${webhook.url}${path}` } },
  content: { subject: 'Hello', body: 'The beacon is lit.', html: '<p>The beacon is lit.</p>' },
});
const statusOf = (id: string) => async (): Promise<string> => (await system.notification(id)).status;
const callsOf = (id: string) => webhook.calls.filter((call) => call.body.includes(id));

describe('one notification, the whole way', () => {
  it('arrives as a mail and as a signed webhook, and its timeline says so', async () => {
    const id = await system.send({ ...body('user-1'), channels: ['email', 'webhook'] });
    await expect.poll(statusOf(id), { timeout: 15_000 }).toBe('delivered');

    const message = mail.mails.find(({ to }) => to?.[0]?.address === 'user-1@example.org');
    expect(message).toMatchObject({ subject: 'Hello', text: expect.stringContaining('The beacon is lit.') as string });
    expect(message?.html).toContain('<p>The beacon is lit.</p>');

    const { deliveries } = await system.notification(id);
    const [call] = callsOf(id);
    expect(new Webhook(WEBHOOK_SECRET).verify(call!.body, call!.headers as Record<string, string>)).toBeTruthy();
    expect(call!.headers['webhook-id']).toBe(deliveries.find(({ channel }) => channel === 'webhook')!.id);
    for (const delivery of deliveries) {
      expect(delivery).toMatchObject({ status: 'delivered', attempts: [{ number: 1, outcome: 'done' }] });
    }

    const { data } = (await system.request('get', `/v1/notifications/${id}/timeline`).expect(200)).body as {
      data: unknown[];
    };
    expect(data.length).toBeGreaterThanOrEqual(3);
  });

  it('is in the audit, whose chains hold', async () => {
    const id = await system.send({ ...body('user-2'), channels: ['log'] });
    await expect.poll(statusOf(id), { timeout: 15_000 }).toBe('delivered');
    await expect
      .poll(
        async () => {
          const answer = await fetch(`${system.service('audit').url}/v1/audit/records?notification=${id}`, {
            headers: { authorization: `Bearer ${API_KEY}` },
          });
          return ((await answer.json()) as { data: unknown[] }).data.length;
        },
        { timeout: 15_000 },
      )
      .toBe(2);
    const verified = await system.cli(['audit', 'verify', '--json']);
    expect([verified.code, JSON.parse(verified.stdout)]).toMatchObject([0, { ok: true, problems: [] }]);
  });
});

describe('a provider that fails', () => {
  it('is tried again on the schedule, with the same id', async () => {
    webhook.answer = (call, path) => (path === '/flaky' && callsOf(notificationOf(call.body)).length < 3 ? 503 : 204);
    const id = await system.send({ ...body('user-3', '/flaky'), channels: ['webhook'] });
    await expect.poll(statusOf(id), { timeout: 15_000 }).toBe('delivered');
    const [delivery] = (await system.notification(id)).deliveries;
    expect(delivery!.attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
      [1, 'retry'],
      [2, 'retry'],
      [3, 'done'],
    ]);
    expect(new Set(callsOf(id).map((call) => call.headers['webhook-id']))).toEqual(new Set([delivery!.id]));
  });

  it('ends dead after n + 1 attempts', async () => {
    webhook.answer = (_call, path) => (path === '/down' ? 500 : 204);
    const id = await system.send({ ...body('user-4', '/down'), channels: ['webhook'] });
    await expect.poll(statusOf(id), { timeout: 15_000 }).toBe('failed');
    expect((await system.notification(id)).deliveries).toMatchObject([{ status: 'dead', attempts: [{}, {}, {}] }]);
    expect(callsOf(id)).toHaveLength(3);
  });

  it('ends rejected at once when it will never work, and says partially delivered for the rest', async () => {
    webhook.answer = (_call, path) => (path === '/gone' ? 410 : 204);
    const id = await system.send({ ...body('user-5', '/gone'), channels: ['webhook', 'log'] });
    await expect.poll(statusOf(id), { timeout: 15_000 }).toBe('partially_delivered');
    const { deliveries } = await system.notification(id);
    expect(deliveries.find(({ channel }) => channel === 'webhook')).toMatchObject({
      status: 'rejected',
      attempts: [{ error: { code: 'http_410' } }],
    });
  });
});

describe('order', () => {
  it('runs attempts for one recipient one at a time, in the order accepted', async () => {
    webhook.answer = async (_call, path) => {
      if (path === '/slow') await new Promise((resolve) => setTimeout(resolve, 20));
      return 204;
    };
    const ids: string[] = [];
    for (let n = 0; n < 20; n++) ids.push(await system.send({ ...body('ordered', '/slow'), channels: ['webhook'] }));
    await expect
      .poll(() => ids.flatMap(callsOf).filter(({ endedAt }) => endedAt < Infinity).length, { timeout: 15_000 })
      .toBe(20);
    const calls = webhook.calls.filter((call) => ids.includes(notificationOf(call.body)));
    expect(calls.map((call) => notificationOf(call.body))).toEqual(ids);
    for (const [n, call] of calls.entries())
      if (n > 0) expect(call.startedAt).toBeGreaterThanOrEqual(calls[n - 1]!.endedAt);
  });

  it('holds back the next of an orderingKey until the one before has ended', async () => {
    let failures = 2;
    webhook.answer = (_call, path) => (path === '/first' && failures-- > 0 ? 503 : 204);
    const first = await system.send({ ...body('strict', '/first'), channels: ['webhook'], orderingKey: 'order-42' });
    const second = await system.send({ ...body('strict', '/second'), channels: ['webhook'], orderingKey: 'order-42' });
    await expect.poll(statusOf(second), { timeout: 15_000 }).toBe('delivered');
    const calls = webhook.calls.map((call) => notificationOf(call.body)).filter((id) => id === first || id === second);
    expect(calls).toEqual([first, first, first, second]);
  });
});

describe('time', () => {
  it('keeps a notification until its sendAt, and lets it be cancelled before', async () => {
    const sendAt = new Date(Date.now() + 60_000).toISOString();
    const id = await system.send({ ...body('user-6'), channels: ['log'], sendAt });
    await expect.poll(statusOf(id), { timeout: 15_000 }).toBe('scheduled');
    await system.request('post', `/v1/notifications/${id}/cancel`).expect(202);
    await expect.poll(statusOf(id), { timeout: 15_000 }).toBe('cancelled');
    await system.request('post', `/v1/notifications/${id}/cancel`).expect(409);
    const metrics = await (await fetch(`${system.service('notification').managementUrl}/metrics`)).text();
    expect(metrics).toMatch(/^notification_deliveries_total\{channel="log",result="cancelled"\} 1$/m);
  });

  it('does not send what has expired', async () => {
    const id = await system.send({
      ...body('user-7', '/late'),
      channels: ['webhook'],
      sendAt: new Date(Date.now() + 600).toISOString(),
      expiresAt: new Date(Date.now() + 601).toISOString(),
    });
    await expect.poll(statusOf(id), { timeout: 15_000 }).toBe('expired');
    expect(callsOf(id)).toHaveLength(0);
  });
});
