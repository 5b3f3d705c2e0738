import { readFileSync, readdirSync } from 'node:fs';

/** Clock ticks of the kernel's process statistics per second; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly withEndedChildrenTicks: number;
}

/** CPU seconds that the given processes and all their descendants have used so far, ended children included. */
export function cpuSeconds(roots: readonly number[]): number {
  const stats = allProcesses();
  let ticks = 0;
  for (const pid of below(roots, stats)) ticks += stats.get(pid)?.withEndedChildrenTicks ?? 0;
  return ticks / TICKS_PER_SECOND;
}

/** The given processes and all their descendants. */
export const descendants = (roots: readonly number[]): ReadonlySet<number> => below(roots, allProcesses());

function below(roots: readonly number[], stats: ReadonlyMap<number, Stat>): ReadonlySet<number> {
  const children = Map.groupBy(stats.values(), ({ parent }) => parent);
  const seen = new Set<number>();
  const queue = [...roots];
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    if (seen.has(pid)) continue;
    seen.add(pid);
    queue.push(...(children.get(pid) ?? []).map((child) => child.pid));
  }
  return seen;
}

/** Field numbers as in proc(5): 4 ppid, 14 utime, 15 stime, 16 cutime, 17 cstime; counted after the command in brackets. */
function allProcesses(): Map<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    const text = read(`/proc/${name}/stat`);
    if (!text) continue;
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const field = (number: number): number => Number(fields[number - 3]);
    const ownTicks = field(14) + field(15);
    stats.set(Number(name), {
      pid: Number(name),
      parent: field(4),
      withEndedChildrenTicks: ownTicks + field(16) + field(17),
    });
  }
  return stats;
}

/** Undefined for a process that ended meanwhile. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
