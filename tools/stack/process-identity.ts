import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** A process that can be told from a later one with the same (recycled) pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When the process started, as the system tells it: opaque, compared for equality only. */
  readonly started: string;
}

/**
 * The identity of a running process, or undefined when there is none with that pid. A process that has ended but was
 * not waited for yet (a zombie) counts as gone: it holds no port and no file.
 */
export function identify(pid: number): ProcessIdentity | undefined {
  const started = process.platform === 'linux' ? startedFromProc(pid) : startedFromPs(pid);
  return started === undefined ? undefined : { pid, started };
}

/** Whether this very process (not another one that got its pid) still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.started === identity.started;
}

/** Sends a signal to the process and, when it leads one, its process group; false when it is gone already. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false;
  for (const target of [-identity.pid, identity.pid]) {
    try {
      process.kill(target, name);
      return true;
    } catch {
      // No such group: the process was not started as the leader of one. Then the process alone gets the signal.
    }
  }
  return false;
}

/** Processes whose working folder is `folder`. Empty where the system has no /proc. */
export function processesIn(folder: string): ProcessIdentity[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => readable(() => readlinkSync(`/proc/${name}/cwd`)) === folder)
    .map((name) => identify(Number(name)))
    .filter((identity) => identity !== undefined);
}

function startedFromProc(pid: number): string | undefined {
  const stat = readable(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The second field is the program's name in parentheses and may hold spaces and parentheses of its own.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, started] = [fields?.[0], fields?.[19]];
  if (started === undefined || state === 'Z' || state === 'X') return undefined;
  // The start is counted in ticks since the boot, so it means something only together with the boot.
  return `${bootId()}/${started}`;
}

function startedFromPs(pid: number): string | undefined {
  const line = readable(() =>
    execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim(),
  );
  if (!line || line.startsWith('Z')) return undefined;
  return line.replace(/^\S+\s+/, '');
}

let knownBootId: string | undefined;
function bootId(): string {
  knownBootId ??= readable(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? 'unknown';
  return knownBootId;
}

/** The process may end between any two looks at it, and other users' processes may be hidden: both are "nothing to see". */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
