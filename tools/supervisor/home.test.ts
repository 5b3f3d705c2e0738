import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { identify, isRunning, type ProcessIdentity } from '../stack/process-identity.ts';
import { writePidFile } from '../stack/process.ts';
import { AlreadyRunning, deleteHome, endOrphans, lockHome, pidFileOf, prepareHome } from './home.ts';
import { LogFile } from './log-file.ts';
import { loadSecrets } from './secrets.ts';
import { readStackSettings } from './stack-settings.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'bongsu-home-'));
  await prepareHome(home);
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** A process that runs until it is ended, as the leader of a group, like every part. */
async function sleeper(): Promise<ProcessIdentity> {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  const identity = identify(child.pid ?? 0);
  if (!identity) throw new Error('it does not run');
  return identity;
}

describe('the lock of a home', () => {
  it('is held by one supervisor at a time', () => {
    const lock = lockHome(home);
    expect(() => lockHome(home)).toThrow(AlreadyRunning);
    lock.release();
    lockHome(home).release();
  });

  it('says when it is worth waiting for', () => {
    lockHome(home).announceStop();
    expect(() => lockHome(home)).toThrow(expect.objectContaining({ stopping: true, pid: process.pid }));
  });

  it('of a supervisor that was killed is taken over', () => {
    writePidFile(join(home, 'supervisor.pid'), { pid: 999_999_999, started: 'long ago' });
    expect(() => lockHome(home)).not.toThrow();
  });

  it('is taken over also when another process has got the pid since', async () => {
    const { pid } = await sleeper();
    writePidFile(join(home, 'supervisor.pid'), { pid, started: 'long ago' });
    expect(() => lockHome(home)).not.toThrow();
  });

  it('that holds nonsense (the machine died while it was written) is taken over', async () => {
    await writeFile(join(home, 'supervisor.pid'), '{"pid":');
    expect(() => lockHome(home)).not.toThrow();
  });
});

describe('parts that a killed supervisor has left', () => {
  it('are ended', async () => {
    const [kafka, api] = [await sleeper(), await sleeper()];
    writePidFile(pidFileOf(home, 'kafka'), kafka);
    writePidFile(pidFileOf(home, 'api'), api);
    expect((await endOrphans(home)).toSorted()).toEqual(['api', 'kafka']);
    expect([isRunning(kafka), isRunning(api)]).toEqual([false, false]);
    expect(existsSync(pidFileOf(home, 'kafka'))).toBe(false);
  });

  it('are left alone when they are somebody else by now', async () => {
    const stranger = await sleeper();
    writePidFile(pidFileOf(home, 'kafka'), { ...stranger, started: 'long ago' });
    expect(await endOrphans(home)).toEqual([]);
    expect(isRunning(stranger)).toBe(true);
  });
});

describe('a reset', () => {
  it('is refused while the stack runs', async () => {
    lockHome(home);
    await expect(deleteHome(home)).rejects.toThrow(AlreadyRunning);
  });

  it('deletes what the stack keeps, and nothing that is not its own', async () => {
    await loadSecrets(readStackSettings({ BONGSU_HOME: home }).settings);
    // Left there, it would keep a new database's chains from ever being signed: it says that they were longer once.
    await writeFile(join(home, 'audit-checkpoints'), 'old');
    await writeFile(join(home, 'notes.txt'), 'mine');
    expect(await deleteHome(home)).toBe(true);
    expect(existsSync(join(home, 'secrets'))).toBe(false);
    expect(existsSync(join(home, 'audit-checkpoints'))).toBe(false);
    expect(await readFile(join(home, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it('deletes the cluster, too, unless that one runs', async () => {
    const cluster = join(home, 'cluster');
    await prepareHome(cluster);
    await writeFile(join(cluster, 'logs', 'kafka-1.log'), 'x');
    const lock = lockHome(cluster);
    await expect(deleteHome(home)).rejects.toThrow(AlreadyRunning);
    lock.release();
    expect(await deleteHome(home)).toBe(true);
    expect(existsSync(home)).toBe(false);
  });

  it('does not touch a folder that no stack has made', async () => {
    const stranger = await mkdtemp(join(tmpdir(), 'bongsu-stranger-'));
    onTestFinished(() => rm(stranger, { recursive: true }));
    await writeFile(join(stranger, 'logs'), 'mine');
    await expect(deleteHome(stranger)).rejects.toThrow('not made by npm start');
    expect(existsSync(join(stranger, 'logs'))).toBe(true);
    expect(await deleteHome(join(stranger, 'nothing'))).toBe(false);
  });
});

describe('the secrets', () => {
  const settings = (env: NodeJS.ProcessEnv = {}) => readStackSettings({ ...env, BONGSU_HOME: home }).settings;

  it('are made once, kept, and readable by nobody else', async () => {
    const made = await loadSecrets(settings());
    expect(made.apiKey).toMatch(/^[A-Za-z0-9_-]{32,256}$/);
    expect(Buffer.from(made.webhookSecret.replace(/^whsec_/, ''), 'base64')).toHaveLength(32);
    expect(Buffer.from(made.auditSaltKey, 'base64')).toHaveLength(32);
    expect(Buffer.from(made.auditSigningKey, 'base64')).toHaveLength(32);
    expect(made.auditSigningKey).not.toBe(made.auditSaltKey);
    expect(await loadSecrets(settings())).toEqual(made);
    const files = ['api-key', 'webhook-signing-secret', 'audit-salt-key', 'audit-signing-key'];
    for (const file of ['api-key', ...files.map((each) => `secrets/${each}`)]) {
      expect((await stat(join(home, file))).mode & 0o777).toBe(0o600);
    }
  });

  it('of the environment win, and do not replace those that were made', async () => {
    const made = await loadSecrets(settings());
    const given = {
      BOOTSTRAP_API_KEY: 'k'.repeat(40),
      WEBHOOK_SIGNING_SECRET: 'whsec_abc',
      AUDIT_SALT_KEY: 's',
      AUDIT_SIGNING_KEY: 'g',
    };
    expect(await loadSecrets(settings(given))).toEqual({
      apiKey: 'k'.repeat(40),
      webhookSecret: 'whsec_abc',
      auditSaltKey: 's',
      auditSigningKey: 'g',
    });
    expect((await readFile(join(home, 'api-key'), 'utf8')).trim()).toBe('k'.repeat(40));
    expect(await loadSecrets(settings())).toEqual(made);
  });
});

describe('a log file', () => {
  it('is put aside at the next start and when it is full', async () => {
    const path = join(home, 'logs', 'part.log');
    const log = new LogFile(path, 10);
    log.write('first\n');
    log.write('second\n');
    expect(await readFile(path, 'utf8')).toBe('second\n');
    expect(await readFile(`${path}.1`, 'utf8')).toBe('first\n');
    log.close();
    new LogFile(path, 10).write('third\n');
    expect(await readFile(path, 'utf8')).toBe('third\n');
    expect(await readFile(`${path}.1`, 'utf8')).toBe('second\n');
  });
});
