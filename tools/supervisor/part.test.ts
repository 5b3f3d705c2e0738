import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { freePorts } from '../stack/ports.ts';
import { isRunning } from '../stack/process-identity.ts';
import { readPidFile, runningProcess } from '../stack/process.ts';
import { until } from '../stack/until.ts';
import { LogFile } from './log-file.ts';
import { Part } from './part.ts';
import { Screen } from './screen.ts';

/** Answers /ready; ends by itself at /end; listens to SIGTERM only without STUBBORN. */
const SERVER = `
  require('node:http').createServer((request, response) => {
    if (request.url === '/end') process.exit(0);
    response.end('ok');
  }).listen(Number(process.env.PORT), '127.0.0.1');
  if (process.env.STUBBORN) process.on('SIGTERM', () => console.log('no'));
`;

let home: string;
let shown: string;
let port: number;
const pidFile = (): string => join(home, 'part.pid');

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'bongsu-part-'));
  shown = '';
  [port] = (await freePorts(1)) as [number];
});
afterEach(() => rm(home, { recursive: true, force: true }));

function part(script: string, env: Record<string, string> = {}, command = process.execPath): Part {
  const out = new PassThrough();
  out.on('data', (chunk: Buffer) => (shown += chunk.toString()));
  const made = new Part(
    {
      spec: {
        name: 'part',
        command,
        args: ['-e', script],
        cwd: home,
        env: { ...env, PORT: String(port) },
        stopSignal: 'SIGTERM',
        killSignal: 'SIGKILL',
        pidFile: pidFile(),
      },
      format: 'service',
      isReady: async () => (await fetch(`http://127.0.0.1:${port}/ready`)).ok,
    },
    { log: new LogFile(join(home, 'part.log')), screen: new Screen(out), everything: false },
  );
  onTestFinished(() => made.stop(0));
  return made;
}

const pid = (): number => readPidFile(pidFile())?.pid ?? 0;
/** Waits until the supervisor has said so, not until the process answers: it looks only now and then. */
const readyAgain = (times: number): Promise<boolean> =>
  until(() => shown.split('ready again').length > times, { timeoutMs: 20_000 });

describe('a part', { timeout: 30_000 }, () => {
  it('is started again when it is killed, and when it ends by itself without a fault', async () => {
    await part(SERVER).start();
    const first = pid();
    process.kill(first, 'SIGKILL');
    expect(await readyAgain(1), shown).toBe(true);
    expect(pid()).not.toBe(first);
    await fetch(`http://127.0.0.1:${port}/end`).catch(() => undefined);
    expect(await readyAgain(2), shown).toBe(true);
    expect(shown).toContain('part was killed by SIGKILL; starting it again');
    expect(shown).toContain('part ended with code 0; starting it again');
  });

  it('stays ended when it is stopped', async () => {
    const server = part(SERVER);
    await server.start();
    const running = runningProcess(pidFile());
    await server.stop(5_000);
    expect(running && isRunning(running)).toBe(false);
    expect(runningProcess(pidFile())).toBeUndefined();
    expect(shown).not.toContain('starting it again');
  });

  it('is killed when it does not end in order', async () => {
    const server = part(SERVER, { STUBBORN: '1' });
    await server.start();
    const running = runningProcess(pidFile());
    await server.stop(100);
    expect(running && isRunning(running)).toBe(false);
    expect(await readFile(join(home, 'part.log'), 'utf8')).toContain('no');
  });

  it('ends also when its home was deleted', async () => {
    const server = part(SERVER);
    await server.start();
    const running = runningProcess(pidFile());
    await rm(home, { recursive: true });
    await server.stop(5_000);
    expect(running && isRunning(running)).toBe(false);
  });

  it('is given up, with its last words, when it never becomes ready', async () => {
    const broken = part(`console.error('no such setting'); process.exit(7)`);
    await expect(broken.start()).rejects.toThrow(/ended with code 7[^]*no such setting/);
  });

  it('that cannot even be run says why', async () => {
    const missing = part('', {}, '/nowhere/java');
    await expect(missing.start()).rejects.toThrow('/nowhere/java');
  });
});
