import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ask, freePorts, portInUse } from './ports.ts';

let server: Server | undefined;
afterEach(() => new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve())));

async function listen(host: string): Promise<number> {
  server = createServer((socket) => socket.once('data', (question) => socket.end(`you asked ${question.toString()}`)));
  await new Promise<void>((resolve) => server?.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

describe('a port', () => {
  it.each(['127.0.0.1', '0.0.0.0'])('is in use when something listens on %s', async (host) => {
    expect(await portInUse(await listen(host))).toBe(true);
  });

  it('is not in use when nothing does', async () => {
    const [port = 0] = await freePorts(1);
    expect(await portInUse(port)).toBe(false);
  });

  it('that is handed out as free is so only once, and never one of those for outgoing connections', async () => {
    const ports = await freePorts(20);
    expect(new Set(ports).size).toBe(20);
    expect(Math.max(...ports)).toBeLessThan(32_768);
  });
});

describe('asking a server', () => {
  it('gives its answer', async () => {
    expect((await ask(await listen('127.0.0.1'), 'ruok', () => false)).toString()).toBe('you asked ruok');
  });

  it('fails when nobody listens, and when nobody answers', async () => {
    const [port = 0] = await freePorts(1);
    await expect(ask(port, 'x', () => true)).rejects.toThrow('ECONNREFUSED');
    const silent = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    await expect(ask((silent.address() as AddressInfo).port, 'x', () => true, { timeoutMs: 50 })).rejects.toThrow(
      'does not answer',
    );
    silent.close();
  });
});
