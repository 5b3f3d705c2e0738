import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, testAttempt, within } from '../../testing/attempt.js';
import { HttpPeer, replies, says, type ReceivedPost } from '../../testing/http-peer.js';
import { parseNetwork } from './address-guard.js';
import { StandardWebhooksProvider, type StandardWebhooksOptions } from './provider.js';

const secret = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
let peer: HttpPeer;
let provider: StandardWebhooksProvider;

const webhooks = (options: Partial<StandardWebhooksOptions> = {}) =>
  new StandardWebhooksProvider({
    secretOf: (tenant) => (tenant === 'default' ? secret : undefined),
    allowedNetworks: [parseNetwork('127.0.0.0/8')],
    ...options,
  });
const attempt = (url = peer.url) => testAttempt({ channel: 'webhook', recipient: { id: 'kim', webhook: { url } } });

beforeEach(async () => {
  peer = await HttpPeer.start();
  provider = webhooks();
});
afterEach(async () => {
  await provider.close();
  await peer.stop();
});

describe('what a receiver gets', () => {
  const verify = ({ body, headers }: ReceivedPost) =>
    new Webhook(secret).verify(body, headers as Record<string, string>) as { type: string };

  it('is signed, so that the standardwebhooks library takes it', async () => {
    const full = {
      ...attempt(`${peer.url}?a=b%20c&d=é#fragment`),
      content: { subject: 'Grüße 👋', body: 'Text', html: '<p>Text</p>' },
      category: 'billing',
      metadata: { order: '42' },
      locale: 'ko',
      data: { total: 7 },
    };
    expect(await provider.deliver(full, within(2000))).toEqual({ kind: 'done' });
    const [post] = peer.posts as [ReceivedPost];
    expect(verify(post)).toEqual({
      type: 'notification',
      timestamp: full.acceptedAt,
      data: {
        notificationId: full.notificationId,
        deliveryId: full.deliveryId,
        recipient: { id: 'kim' },
        ...full.content,
        category: 'billing',
        metadata: { order: '42' },
        locale: 'ko',
        data: { total: 7 },
        acceptedAt: full.acceptedAt,
      },
    });
    expect(post).toMatchObject({ method: 'POST', path: '/hook?a=b%20c&d=%C3%A9' });
    expect(post.headers).toMatchObject({
      'webhook-id': full.deliveryId,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(post.body)),
    });
  });

  it('names us with the version of our package', async () => {
    await provider.deliver(attempt(), within(2000));
    const manifest = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(manifest) as { version: string };
    expect(peer.posts[0]?.headers['user-agent']).toBe(`Bongsu/${version}`);
  });

  it('does not verify once a byte of it has changed', async () => {
    await provider.deliver(attempt(), within(2000));
    const [post] = peer.posts as [ReceivedPost];
    expect(() => verify({ ...post, body: post.body.replace('A body', 'A bodY') })).toThrow(/signature/);
    expect(() => verify({ ...post, headers: { ...post.headers, 'webhook-id': 'other' } })).toThrow(/signature/);
  });

  it('has the same id and body in every attempt', async () => {
    const first = attempt();
    peer.answer = replies(500);
    await provider.deliver(first, within(2000));
    peer.answer = replies(200);
    await provider.deliver({ ...first, number: 2 }, within(2000));
    const [one, two] = peer.posts as [ReceivedPost, ReceivedPost];
    expect(two.body).toBe(one.body);
    expect(two.headers['webhook-id']).toBe(one.headers['webhook-id']);
    verify(two);
  });

  it('is nothing when there is no secret to sign it with', async () => {
    const outcome = await provider.deliver({ ...attempt(), tenant: 'other' }, within(2000));
    expect(outcome).toMatchObject({ kind: 'reject', code: 'webhook_secret_missing' });
    expect(peer.accepted).toBe(0);
  });
});

describe('what a receiver answers', () => {
  const deliver = (signal = within(4000)) => provider.deliver(attempt(), signal);

  it.each([
    ['seconds', '120', 120_000],
    ['a date', new Date(Date.now() + 3_600_000).toUTCString(), 3_600_000],
  ])('429 with Retry-After as %s says when to come back', async (_form, value, ms) => {
    peer.answer = replies(429, { 'retry-after': value });
    const outcome = await deliver();
    expect(outcome).toMatchObject({ kind: 'retry', code: 'http_429' });
    const { afterMs } = outcome as { afterMs: number };
    expect(Math.abs(afterMs - ms)).toBeLessThan(5000);
  });

  it.each([
    ['retry-after: 7\r\nretry-after: 9\r\n', 7000],
    ['retry-after: 31536000\r\n', 86_400_000],
    ['retry-after: soon\r\n', undefined],
  ])('503 with %j is a wait of %s ms', async (header, afterMs) => {
    peer.answer = says(`HTTP/1.1 503 Busy\r\n${header}content-length: 0\r\n\r\n`);
    const outcome = await deliver();
    expect(outcome).toMatchObject({ kind: 'retry', code: 'http_503' });
    expect((outcome as { afterMs?: number }).afterMs).toBe(afterMs);
  });

  it('200 and 64 MB is a delivery, and most of the 64 MB is never read', async () => {
    let written = 0;
    const size = 64 * 1024 ** 2;
    peer.answer = (socket) => {
      const write = (): void => {
        while (written < size && socket.writable && socket.write(Buffer.alloc(65_536))) written += 65_536;
      };
      socket.on('drain', write).write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
      write();
    };
    expect(await deliver()).toEqual({ kind: 'done' });
    await eventually(() => peer.connections === 0, 'the connection was cut');
    // What is in the kernel's buffers by then is not ours to count.
    expect(written).toBeLessThan(size / 2);
  });

  it('410 is a rejection that names the endpoint, in the spelling by which it is known', async () => {
    peer.answer = replies(410);
    const url = `${peer.url}?a=é#fragment`;
    const outcome = await provider.deliver(attempt(url), within(2000));
    expect(outcome).toMatchObject({ kind: 'reject', code: 'http_410', endpointGone: `${peer.url}?a=%C3%A9` });
    expect(provider.endpoint({ id: 'kim', webhook: { url } })).toBe(`${peer.url}?a=%C3%A9`);
    expect(provider.endpoint({ id: 'kim' })).toBeUndefined();
    peer.answer = replies(404);
    expect(await provider.deliver(attempt(url), within(2000))).not.toHaveProperty('endpointGone');
  });

  it('404 and an endless body is a rejection', async () => {
    peer.answer = (socket) => {
      socket.write('HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n');
      const timer = setInterval(() => socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`), 1);
      socket.on('close', () => clearInterval(timer));
    };
    expect(await deliver()).toMatchObject({ kind: 'reject', code: 'http_404' });
    await eventually(() => peer.connections === 0, 'the connection was cut');
  });

  it.each([
    ['200 and a body that never ends', 200, { kind: 'done' }],
    ['503 and a body that never ends', 503, { kind: 'retry', code: 'http_503' }],
  ])('%s counts by its status', async (_what, status, outcome) => {
    peer.answer = says(`HTTP/1.1 ${status} Status\r\ncontent-length: 100\r\n\r\nbegun`);
    expect(await deliver(within(300))).toMatchObject(outcome);
    await eventually(() => peer.connections === 0, 'the connection was cut');
  });

  it('200 and a body that is cut off is a delivery', async () => {
    peer.answer = (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun');
    expect(await deliver()).toEqual({ kind: 'done' });
  });

  it('a body that never ends holds no call, and its connection for no longer than two seconds', async () => {
    peer.answer = says('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun');
    expect(await Promise.race([deliver(within(30_000)), sleep(500)])).toEqual({ kind: 'done' });
    expect(peer.connections).toBe(1);
    await eventually(() => peer.connections === 0, 'the connection was cut');
  });

  it('bodies that never end do not pile up', async () => {
    await provider.close();
    provider = webhooks({ maxConnections: 10 });
    peer.answer = says('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun');
    for (let call = 0; call < 100; call++) {
      expect(await deliver(within(30_000))).toEqual({ kind: 'done' });
      await sleep(5);
      expect(peer.connections).toBeLessThan(20);
    }
    expect(peer.accepted).toBe(100);
  });

  it.each([
    ['a status line and then nothing', 'HTTP/1.1 200 OK\r\n', 'timeout'],
    ['headers that never end', 'HTTP/1.1 200 OK\r\nx: y', 'timeout'],
    ['an interim answer and then nothing', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', 'timeout'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n', 'protocol_error'],
    ['64 KB of headers', `HTTP/1.1 200 OK\r\n${'x: yyyyyyyy\r\n'.repeat(6000)}\r\n`, 'protocol_error'],
  ])('%s is temporary', async (_what, text, code) => {
    peer.answer = says(text);
    expect(await deliver(within(200))).toMatchObject({ kind: 'retry', code });
    await eventually(() => peer.connections === 0, 'the connection was cut');
  });

  it.each([
    ['hanging up', (socket: { destroy(): void }) => socket.destroy(), /^connection_(closed|reset)$/],
    ['a reset', (socket: { resetAndDestroy(): void }) => socket.resetAndDestroy(), /^connection_reset$/],
    ['a switch of protocols', says('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'), /^connection_failed$/],
  ])('%s is temporary', async (_what, answer, code) => {
    peer.answer = answer;
    expect(await deliver()).toMatchObject({ kind: 'retry', code: expect.stringMatching(code) });
  });

  it('200 after interim answers is a delivery', async () => {
    peer.answer = says(
      'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
    );
    expect(await deliver()).toEqual({ kind: 'done' });
  });
});

describe('connections', () => {
  it('are used again, also after errors', async () => {
    const statuses = [200, 404, 500, 429, 202, 302, 410];
    for (const status of [...statuses, ...statuses, ...statuses]) {
      peer.answer = replies(status, {}, 'some words');
      await provider.deliver(attempt(), within(2000));
    }
    // One is not free for another call before the next turn of the event loop, so there may be two or three.
    expect(peer.posts).toHaveLength(21);
    expect(peer.accepted).toBeLessThanOrEqual(3);
  });

  it('that a receiver closed between two calls are made anew', async () => {
    peer.answer = (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    for (let call = 0; call < 5; call++) {
      expect(await provider.deliver(attempt(), within(2000))).toEqual({ kind: 'done' });
      await eventually(() => peer.connections === 0, 'the receiver hung up');
    }
  });

  it('are bounded however many hosts there are, and no call is cut for it', async () => {
    await provider.close();
    const resolve = () => Promise.resolve(['127.0.0.1']);
    provider = webhooks({ resolve, maxConnections: 10 });
    const calls = Array.from({ length: 300 }, (_, host) => attempt(`http://h${host}.example.org:${peer.port}/`));
    for (let next = 0; next < calls.length; next += 30) {
      const outcomes = await Promise.all(
        calls.slice(next, next + 30).map((call) => provider.deliver(call, within(4000))),
      );
      expect(outcomes).toEqual(outcomes.map(() => ({ kind: 'done' })));
      await eventually(() => peer.connections <= 10, 'idle connections were closed');
    }
    expect(peer.posts).toHaveLength(300);
  });
});

it('a destination is the host and port of the URL', () => {
  expect(provider.destination(attempt('https://Hooks.Example.org/secret').recipient)).toBe('hooks.example.org');
  expect(provider.destination(attempt('https://hooks.example.org:8443/').recipient)).toBe('hooks.example.org:8443');
  expect(provider.destination(testAttempt({ channel: 'webhook' }).recipient)).toBe('');
});
