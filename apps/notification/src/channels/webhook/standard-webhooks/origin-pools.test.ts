import { setImmediate } from 'node:timers/promises';
import { buildConnector, type Dispatcher } from 'undici';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../../testing/attempt.js';
import { HttpPeer, replies } from '../../testing/http-peer.js';
import { OriginPools } from './origin-pools.js';

let peer: HttpPeer;
let pools: OriginPools;
const dial = buildConnector({ timeout: 2000 });

/** Every name leads to the peer; those that begin with "down" to a port where nobody is, "lost" ones to nowhere. */
const connector: buildConnector.connector = (options, callback) => {
  if (options.hostname.startsWith('lost')) {
    queueMicrotask(() => callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), null));
  } else
    dial(
      { ...options, hostname: '127.0.0.1', ...(options.hostname.startsWith('down') ? { port: '1' } : {}) },
      callback,
    );
};

beforeEach(async () => {
  peer = await HttpPeer.start();
});
afterEach(async () => {
  await pools.destroy();
  await peer.stop();
});

const call = (host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const options: Dispatcher.DispatchOptions = { method: 'POST', path: '/', body: 'x' };
    pools.dispatch(`http://${host}.example.org:${peer.port}`, options, (release) => {
      const over = (reached: boolean) => (): void => {
        release();
        resolve(reached);
      };
      return {
        onRequestStart: () => undefined,
        onResponseStart: () => undefined,
        onResponseData: () => undefined,
        onResponseEnd: over(true),
        onResponseError: over(false),
      };
    });
  });

it('leave nothing behind of a thousand origins, reached or not, once their connections have closed', async () => {
  pools = new OriginPools(connector, 1000);
  peer.answer = replies(200, { connection: 'close' });
  const names = ['up', 'down', 'lost'];
  const hosts = Array.from({ length: 1000 }, (_, index) => `${names[index % 3]}${index}`);
  for (let next = 0; next < hosts.length; next += 100) {
    const slice = hosts.slice(next, next + 100);
    expect(await Promise.all(slice.map(call))).toEqual(slice.map((host) => host.startsWith('up')));
  }
  await eventually(() => pools.connections === 0 && peer.connections === 0, 'every connection closed');
  expect(pools.origins).toBe(0);
});

it('keep the count of what is open, and let go of what is longest out of use', async () => {
  pools = new OriginPools(connector, 10);
  for (let host = 0; host < 100; host++) expect(await call(`up${host}`)).toBe(true);
  await eventually(() => peer.connections === 10, 'the older ones were closed');
  expect([pools.connections, pools.origins, pools.isCrowded]).toEqual([10, 10, false]);
  const { accepted } = peer;
  // undici gives a connection a turn of the event loop before it uses it again.
  await setImmediate();
  expect(await call('up99')).toBe(true);
  expect(peer.accepted).toBe(accepted);
  expect(await call('up0')).toBe(true);
  expect(peer.accepted).toBe(accepted + 1);
});

it('never cut a call that is under way', async () => {
  pools = new OriginPools(connector, 5);
  peer.answer = (socket) => setTimeout(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'), 100);
  const calls = Array.from({ length: 40 }, (_, host) => call(`up${host}`));
  await eventually(() => pools.isCrowded, 'more connections than wanted');
  expect(await Promise.all(calls)).toEqual(calls.map(() => true));
  await eventually(() => peer.connections <= 5, 'idle ones were closed');
});
