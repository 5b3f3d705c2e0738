import { existsSync, linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identify, isRunning, processesIn, signal } from '../stack/process-identity.ts';
import { endProcess, readPidFile, runningProcess, writePidFile } from '../stack/process.ts';
import { CLUSTER_FOLDER } from './stack-settings.ts';

/** What the stack makes in its home; nothing else in there is ever deleted. */
const OWN = [
  'api-key',
  'audit-checkpoints',
  'kafka',
  'logs',
  'postgres',
  'run',
  'secrets',
  'supervisor.pid',
  'zookeeper',
];
const MARKER = 'bongsu-local-stack';

/** Another supervisor already runs on the same home. */
export class AlreadyRunning extends Error {
  readonly pid: number;
  /** It is about to be gone. */
  readonly stopping: boolean;
  constructor(pid: number, stopping: boolean) {
    super(
      `this stack is already running (process ${pid}): stop it first, or give this one a home and ports of its own (BONGSU_HOME, …_PORT)`,
    );
    this.pid = pid;
    this.stopping = stopping;
  }
}

export const pidFileOf = (home: string, part: string): string => join(home, 'run', `${part}.pid`);
export const logFileOf = (home: string, part: string): string => join(home, 'logs', `${part}.log`);

/** Makes the home, which PostgreSQL's own user must be able to pass through. */
export async function prepareHome(home: string): Promise<void> {
  for (const folder of ['', 'run', 'logs']) await mkdir(join(home, folder), { recursive: true });
  await chmod(home, 0o755);
  await mkdir(join(home, 'secrets'), { recursive: true, mode: 0o700 });
  await writeFile(join(home, MARKER), 'Made by npm start; npm run reset deletes it.\n');
}

export interface HomeLock {
  /** Lets a start that finds this lock know that waiting for it is worth while. */
  announceStop(): void;
  release(): void;
}

/**
 * Makes this process the only supervisor of the home until `release` is called or it ends, however it ends.
 * @throws AlreadyRunning
 */
export function lockHome(home: string): HomeLock {
  const lock = join(home, 'supervisor.pid');
  const self = identify(process.pid);
  if (!self) throw new Error('this system does not tell when a process was started');
  const own = `${lock}.${process.pid}`;
  writePidFile(own, self);
  try {
    // A hard link appears whole or not at all, and not where there is one: of two at the same time one succeeds.
    for (;;) {
      try {
        linkSync(own, lock);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        const holder = runningProcess(lock);
        if (holder) throw new AlreadyRunning(holder.pid, existsSync(join(home, 'run', 'stopping')));
        clearStale(lock);
      }
    }
  } finally {
    rmSync(own, { force: true });
  }
  const stopping = join(home, 'run', 'stopping');
  rmSync(stopping, { force: true });
  return {
    announceStop: () => {
      try {
        writeFileSync(stopping, '');
      } catch {
        // Somebody has deleted the home under us; that must not keep us from stopping.
      }
    },
    release: () => {
      rmSync(stopping, { force: true });
      if (readPidFile(lock)?.pid === process.pid) rmSync(lock, { force: true });
    },
  };
}

/** Takes away the lock of a supervisor that is gone; what another one may have put there meanwhile is put back. */
function clearStale(lock: string): void {
  const aside = `${lock}.stale-${process.pid}`;
  try {
    renameSync(lock, aside);
  } catch {
    return;
  }
  if (runningProcess(aside)) {
    try {
      linkSync(aside, lock);
    } catch {
      // There is a third one by now.
    }
  }
  rmSync(aside, { force: true });
}

/**
 * Ends the parts that a supervisor left running when it was killed; returns their names. Services go first, then what
 * they use. Only for the holder of the home's lock.
 */
export async function endOrphans(home: string): Promise<string[]> {
  const names = (await readdir(join(home, 'run')).catch(() => [])).flatMap((name) =>
    name.endsWith('.pid') ? [name.slice(0, -'.pid'.length)] : [],
  );
  const orphans = names.filter((name) => runningProcess(pidFileOf(home, name)));
  const of = (pattern: RegExp): string[] => names.filter((name) => pattern.test(name));
  const steps = [of(/^(?!kafka|postgres|zookeeper)/), of(/^(kafka|postgres)/), of(/^zookeeper/)];
  for (const step of steps) {
    await Promise.all(step.map((name) => endProcess(pidFileOf(home, name), signalsOf(name))));
  }
  return orphans;
}

function signalsOf(name: string): Parameters<typeof endProcess>[1] {
  // The same signals as in the parts' own descriptions, which may have changed since the orphan was started.
  if (name === 'postgres') return { stopSignal: 'SIGINT', killSignal: 'SIGQUIT', graceMs: 5_000 };
  return { stopSignal: 'SIGTERM', killSignal: 'SIGKILL', graceMs: 4_000 };
}

/**
 * Deletes what the stack keeps, and the cluster below it. Returns false when there is nothing.
 * @throws AlreadyRunning, and when the folder is not one that the stack has made
 */
export async function deleteHome(home: string): Promise<boolean> {
  if (!(await stat(home).catch(() => undefined))) return false;
  const entries = await readdir(home);
  if (entries.length === 0) return false;
  // BONGSU_HOME may name any folder by mistake.
  if (!entries.includes(MARKER)) throw new Error(`${home} was not made by npm start: it is left alone`);
  if (entries.includes(CLUSTER_FOLDER)) await deleteHome(join(home, CLUSTER_FOLDER));
  const lock = lockHome(home);
  await endOrphans(home);
  for (const backend of processesIn(join(home, 'postgres', 'data'))) if (isRunning(backend)) signal(backend, 'SIGKILL');
  lock.release();
  for (const name of [...OWN, MARKER])
    await rm(join(home, name), { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  // Something of somebody else's may lie there; then the folder stays.
  await rmdir(home).catch(() => undefined);
  return true;
}
