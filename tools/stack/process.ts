import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { identify, isRunning, signal, type ProcessIdentity } from './process-identity.ts';
import { until } from './until.ts';

/** How to start a part. Plain data, so that a test in another process can start the part again. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Added to the environment of whoever starts the part. */
  readonly env: Readonly<Record<string, string>>;
  /** The user to run as; only a privileged starter may give one. */
  readonly uid?: number;
  readonly gid?: number;
  /** What makes the part end in order. */
  readonly stopSignal: NodeJS.Signals;
  /** What makes it end at once without leaving something behind that outlives it. */
  readonly killSignal: NodeJS.Signals;
  /** Holds the identity of the running process, so that whoever comes later finds it. */
  readonly pidFile: string;
}

/**
 * Starts the part in a process group of its own (a Ctrl-C in the terminal then reaches only its starter) and writes its pid file.
 * @param output `pipe`, or the path of a file that gets stdout and stderr (then the part may outlive its starter)
 * @throws when the program cannot be started
 */
export async function startProcess(spec: ProcessSpec, output: 'pipe' | { file: string }): Promise<ChildProcess> {
  mkdirSync(dirname(spec.pidFile), { recursive: true });
  const file = output === 'pipe' ? undefined : openSync(output.file, 'a');
  try {
    const child = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: { ...process.env, ...spec.env },
      detached: true,
      stdio: ['ignore', file ?? 'pipe', file ?? 'pipe'],
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      ...(spec.gid === undefined ? {} : { gid: spec.gid }),
    });
    // Before anything else can happen: a part whose starter dies before it is written down could not be found again.
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity) writePidFile(spec.pidFile, identity);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) =>
        reject(new Error(`${spec.name} could not be started (${spec.command})`, { cause })),
      );
    });
    if (file !== undefined) child.unref();
    return child;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The running process that the pid file names, or undefined when there is none (any more). */
export function runningProcess(pidFile: string): ProcessIdentity | undefined {
  const identity = readPidFile(pidFile);
  return identity && isRunning(identity) ? identity : undefined;
}

interface Ending {
  readonly stopSignal: NodeJS.Signals;
  readonly killSignal: NodeJS.Signals;
  /** Milliseconds to end in order. */
  readonly graceMs: number;
}

/** Ends the process that the pid file names, if there is one, and forgets the pid file. */
export async function endProcess(pidFile: string, ending: Ending): Promise<void> {
  const identity = runningProcess(pidFile);
  if (identity) await end(identity, ending);
  rmSync(pidFile, { force: true });
}

/** Ends a process in order at first, by force after `graceMs`; resolves when it is gone. */
export async function end(identity: ProcessIdentity, { stopSignal, killSignal, graceMs }: Ending): Promise<void> {
  signal(identity, stopSignal);
  if (await endsWithin(identity, graceMs)) return;
  signal(identity, killSignal);
  // What ignores even this is stuck in the kernel or stopped; SIGKILL is the last word.
  if (await endsWithin(identity, 2_000)) return;
  signal(identity, 'SIGKILL');
  await endsWithin(identity, 5_000);
}

function endsWithin(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  return until(() => !isRunning(identity), { timeoutMs, everyMs: 20 });
}

export function writePidFile(path: string, identity: ProcessIdentity): void {
  // Written aside and renamed: a reader, or a death half-way, never sees half a file.
  writeFileSync(`${path}.new`, JSON.stringify(identity));
  renameSync(`${path}.new`, path);
}

export function readPidFile(path: string): ProcessIdentity | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('started' in value)) return undefined;
    const { pid, started } = value;
    return typeof pid === 'number' && pid > 1 && typeof started === 'string' ? { pid, started } : undefined;
  } catch {
    return undefined;
  }
}
