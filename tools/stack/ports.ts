import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/**
 * Ports that were free a moment ago, all different and none of `except` (whose servers may be down at the moment). They lie below those that systems give to outgoing connections (32768
 * and up on Linux): from there, any connection of any program could take the port while its server is restarted.
 */
export async function freePorts(count: number, except: readonly number[] = []): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(20_000, 32_000);
    if (!except.includes(port) && !(await portInUse(port))) ports.add(port);
  }
  return [...ports];
}

/** Whether something on this machine already listens on the port, on any address that the stack would use. */
export async function portInUse(port: number): Promise<boolean> {
  for (const host of ['127.0.0.1', '0.0.0.0', '::1']) {
    if (await bindingFails(port, host)) return true;
  }
  return false;
}

function bindingFails(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    // Only "in use" and "not allowed" are the port's fault; a machine without IPv6 has no such address to listen on.
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' || error.code === 'EACCES'),
    );
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(false)));
  });
}

/**
 * Connects to a loopback port, writes `request` and collects the answer.
 * @param done given all bytes so far, says whether the answer is complete; the other side's close completes it too
 * @param ca a PEM file: the port speaks TLS, with a certificate of this authority
 * @throws when the port is closed or the answer does not come within `timeoutMs`
 */
export function ask(
  port: number,
  request: Buffer | string,
  done: (answer: Buffer) => boolean,
  { timeoutMs = 2_000, ca }: { timeoutMs?: number; ca?: string | undefined } = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0);
    const target = { port, host: '127.0.0.1' };
    const socket: Socket = ca === undefined ? connect(target) : connectTls({ ...target, ca: readFileSync(ca) });
    const finish = (error?: Error): void => {
      socket.destroy();
      if (error) reject(error);
      else resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => finish(new Error(`port ${port} does not answer`)));
    socket.once('error', finish);
    socket.once(ca === undefined ? 'connect' : 'secureConnect', () => socket.write(request));
    socket.on('data', (bytes) => {
      answer = Buffer.concat([answer, bytes]);
      if (done(answer)) finish();
    });
    socket.once('end', () => finish());
  });
}
