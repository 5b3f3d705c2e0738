import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../tools/stack/ports.ts';
import { until } from '../../tools/stack/until.ts';

export interface Redis {
  readonly port: number;
  readonly pid: number;
  end(): Promise<void>;
}

/** Whether there is a Redis on this machine (Debian: `apt-get install redis-server`). */
export function redisIsThere(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A Redis as one would run it for jobs that must not be lost: append-only file, synced every second. */
export async function startRedis(): Promise<Redis> {
  const home = await mkdtemp(join(tmpdir(), 'bongsu-bench-redis-'));
  const [port] = (await freePorts(1)) as [number];
  const settings = [
    '--appendonly',
    'yes',
    '--appendfsync',
    'everysec',
    '--save',
    '',
    '--maxmemory-policy',
    'noeviction',
  ];
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', home, ...settings], {
    stdio: 'ignore',
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ready = await until(() => answers(port), { timeoutMs: 10_000, everyMs: 50 });
  if (!ready) throw new Error('Redis did not start');
  return { port, pid: child.pid!, end: () => end(child, home, kill) };
}

async function end(child: ChildProcess, home: string, kill: () => void): Promise<void> {
  process.off('exit', kill);
  if (child.exitCode === null) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
  await rm(home, { recursive: true, force: true });
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.once('data', (bytes) => (socket.destroy(), resolve(bytes.toString().startsWith('+PONG'))));
    socket.once('error', () => resolve(false));
  });
