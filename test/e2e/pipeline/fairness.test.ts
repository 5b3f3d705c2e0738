import { setTimeout as sleep } from 'node:timers/promises';
import type { Email } from 'postal-mime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MailReceiver, WebhookReceiver, type ReceivedCall } from './receivers.js';
import { API_KEY, System } from './system.js';

/** Small enough that a flood of two thousand is one. */
const CONCURRENCY = 40;
const CAPACITY = 200;

let system: System;
let mail: MailReceiver;
let webhook: WebhookReceiver;
beforeAll(async () => {
  [mail, webhook] = await Promise.all([MailReceiver.start(), WebhookReceiver.start()]);
  system = await System.start('fair', ['api', 'notification'], {
    SMTP_URL: mail.url,
    DISPATCH_CONCURRENCY: String(CONCURRENCY),
    DISPATCH_CAPACITY: String(CAPACITY),
    PROVIDER_TIMEOUT: '20s',
  });
});
afterAll(async () => {
  await system.stop();
  await Promise.all([mail.stop(), webhook.stop()]);
});

/** Sends many notifications as one NDJSON batch. */
async function flood(count: number, of: (n: number) => object, key = API_KEY): Promise<void> {
  const lines = Array.from({ length: count }, (_, n) =>
    JSON.stringify({ content: { subject: 's', body: 'b' }, ...of(n) }),
  );
  const answer = await fetch(`${system.service('api').url}/v1/notifications/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  const answers = (await answer.text()).trim().split('\n');
  expect(answers.filter((line) => line.includes('"id"'))).toHaveLength(count);
}

async function keyOf(tenant: string): Promise<string> {
  const answer = await system.request('post', '/v1/api-keys').send({ name: tenant, tenant }).expect(201);
  return (answer.body as { key: string }).key;
}

const isTo =
  (domain: string) =>
  ({ to }: Email): boolean =>
    to?.[0]?.address?.endsWith(domain) ?? false;
const mailsTo = (domain: string): number => mail.mails.filter(isTo(domain)).length;

/** How many came before the tenth of some others: by their order, as a test that is starved looks when many more have come. */
function beforeTenth<T>(arrivals: readonly T[], few: (one: T) => boolean, many: (one: T) => boolean): number {
  const tenth = arrivals.filter(few)[9]!;
  return arrivals.slice(0, arrivals.indexOf(tenth)).filter(many).length;
}

describe('a flood', () => {
  it("of one tenant does not delay another's ten, in the same lane and through the same server", async () => {
    mail.delayMs = 20;
    const [many, few] = await Promise.all([keyOf('many'), keyOf('few')]);
    const to = (domain: string) => (n: number) => ({
      recipient: { id: `u${n}`, email: `u${n}@${domain}` },
      channels: ['email'],
    });
    await flood(2000, to('flood.example'), many);
    await expect.poll(() => mailsTo('flood.example'), { timeout: 20_000 }).toBeGreaterThan(20);
    await flood(10, to('few.example'), few);
    await expect.poll(() => mailsTo('few.example'), { timeout: 20_000 }).toBe(10);
    // Half of the turns were theirs: what went to the flood meanwhile is what was under way, and about as many again.
    expect(beforeTenth(mail.mails, isTo('few.example'), isTo('flood.example'))).toBeLessThan(1000);
    mail.delayMs = 0;
    await expect.poll(() => mailsTo('flood.example'), { timeout: 60_000 }).toBe(2000);
  });

  it('to a receiver that hangs holds up no other receiver, and all of it arrives when the receiver is back', async () => {
    const { promise: back, resolve: comeBack } = Promise.withResolvers<void>();
    const other = await WebhookReceiver.start();
    webhook.answer = () => back.then(() => 204);
    const hook = (url: string) => (n: number) => ({
      recipient: { id: `${url} ${n}`, webhook: { url } },
      channels: ['webhook'],
    });
    await flood(1000, hook(`${webhook.url}/hangs`));
    await expect.poll(() => webhook.calls.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(CONCURRENCY * 0.9);
    const started = Date.now();
    await flood(10, hook(`${other.url}/fine`));
    await expect.poll(() => other.calls.length, { timeout: 10_000 }).toBe(10);
    expect(other.calls[9]!.startedAt - started).toBeLessThan(5_000);
    expect(webhook.calls.length).toBeLessThan(CONCURRENCY);
    comeBack();
    await expect
      .poll(() => new Set(webhook.calls.map(({ headers }) => headers['webhook-id'])).size, { timeout: 60_000 })
      .toBe(1000);
    await other.stop();
  });

  it('of bulk leaves urgent ones through, and ends', async () => {
    webhook.calls.length = 0;
    webhook.answer = () => sleep(20).then(() => 204);
    const hook = (priority: string) => (n: number) => ({
      recipient: { id: `p${n}`, webhook: { url: `${webhook.url}/${priority}` } },
      channels: ['webhook'],
      priority,
    });
    const isOf =
      (priority: string) =>
      ({ path }: ReceivedCall): boolean =>
        path === `/${priority}`;
    const of = (priority: string) => webhook.calls.filter(isOf(priority)).length;
    await flood(3000, hook('bulk'));
    await expect.poll(() => of('bulk'), { timeout: 20_000 }).toBeGreaterThan(100);
    await flood(10, hook('urgent'));
    await expect.poll(() => of('urgent'), { timeout: 10_000 }).toBe(10);
    expect(beforeTenth(webhook.calls, isOf('urgent'), isOf('bulk'))).toBeLessThan(2500);
    await expect.poll(() => of('bulk'), { timeout: 60_000 }).toBe(3000);
  });
});

it('obeys a 429: no call to that host before the time it asked for', async () => {
  const limited = await WebhookReceiver.start();
  const asked: number[] = [];
  limited.answer = () => {
    if (asked.length > 0) return 204;
    asked.push(Date.now());
    return { status: 429, headers: { 'retry-after': '2' } };
  };
  const send = (n: number) => ({
    recipient: { id: `l${n}`, webhook: { url: `${limited.url}/x` } },
    channels: ['webhook'],
  });
  await flood(1, send);
  await expect.poll(() => asked).toHaveLength(1);
  await flood(20, (n) => send(n + 1));
  await expect.poll(() => limited.calls.length, { timeout: 20_000 }).toBe(22);
  const [, second] = limited.calls;
  expect(second!.startedAt - asked[0]!).toBeGreaterThan(1_900);
  await limited.stop();
});

it('refuses to start with a limit for a provider that there is none of', async () => {
  await expect(system.startService('notification', { PROVIDER_LIMITS: 'emial=5' })).rejects.toThrow(/emial/);
});
