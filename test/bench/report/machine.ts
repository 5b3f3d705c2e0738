import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Run } from './figures.ts';

/** When, where and of which state of the sources; no names and no paths of the machine. */
export function machine(): Pick<Run, 'date' | 'commit' | 'cpu' | 'cores' | 'memoryGiB' | 'versions'> {
  const cores = cpus();
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    commit: commit(),
    cpu: cores[0]?.model.trim() || 'unknown CPU',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    versions: `Node.js ${process.versions.node}, Kafka 3.9.2 with ZooKeeper, PostgreSQL 18`,
  };
}

/** With a `+` when the sources differ from it. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: join(import.meta.dirname, '..', '..', '..'), encoding: 'utf8' }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'apps', 'libs') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}
