import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, it } from 'vitest';
import { testAttempt, within } from '../../testing/attempt.js';
import { HttpPeer } from '../../testing/http-peer.js';
import { parseNetwork } from './address-guard.js';
import { StandardWebhooksProvider } from './provider.js';

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

function webhooks(addresses: readonly string[], allow: string): StandardWebhooksProvider {
  const provider = new StandardWebhooksProvider({
    secretOf: () => `whsec_${Buffer.alloc(32).toString('base64')}`,
    allowedNetworks: allow.split(',').map(parseNetwork),
    resolve: () => Promise.resolve(addresses),
  });
  opened.push(provider);
  return provider;
}
const to = (url: string) => testAttempt({ channel: 'webhook', recipient: { id: 'kim', webhook: { url } } });

/** A receiver in a thread that does nothing for a while: with its queue of connections full, the kernel drops what more come. */
const RECEIVER = `
  const { createServer } = require('node:net');
  const { parentPort, workerData } = require('node:worker_threads');
  const answer = 'HTTP/1.1 204 No Content\\r\\n\\r\\n';
  const server = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.write(answer)));
  server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, workerData);
  });
`;

it('waits for an address that is far away before it turns to one that leads nowhere', async () => {
  const receiver = new Worker(RECEIVER, { eval: true, workerData: 500 });
  opened.push({ close: () => receiver.terminate() });
  const [port] = (await once(receiver, 'message')) as [number];
  const queued: Socket[] = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  opened.push({ close: () => queued.forEach((socket) => socket.destroy()) });
  await sleep(100);
  // The connection stands when the kernel has sent its SYN again, after a second; nothing listens on ::1.
  const provider = webhooks(['127.0.0.1', '::1'], '127.0.0.1,::1');
  const started = performance.now();
  expect(await provider.deliver(to(`http://far.example.org:${port}/`), within(8000))).toEqual({ kind: 'done' });
  expect(performance.now() - started).toBeGreaterThan(400);
});

it('turns to the next address when one refuses', async () => {
  const peer = await HttpPeer.start();
  opened.push({ close: () => peer.stop() });
  const provider = webhooks(['::1', '127.0.0.1'], '127.0.0.1,::1');
  expect(await provider.deliver(to(`http://both.example.org:${peer.port}/`), within(2000))).toEqual({ kind: 'done' });
});

it('dials an IPv6 address in a URL, when it is allowed', async () => {
  const peer = await HttpPeer.start(undefined, undefined, { host: '::1' });
  opened.push({ close: () => peer.stop() });
  const provider = webhooks([], '::1');
  expect(await provider.deliver(to(`http://[::1]:${peer.port}/`), within(2000))).toEqual({ kind: 'done' });
  expect(peer.posts[0]?.headers.host).toBe(`[::1]:${peer.port}`);
});
