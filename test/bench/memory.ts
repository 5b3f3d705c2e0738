import { readFileSync } from 'node:fs';
import { descendants } from './cpu.ts';

/**
 * Resident memory of processes and all their descendants, bytes, with what several share counted once (proportional set size):
 * PostgreSQL's processes all map the same buffers.
 */
export function proportionalBytes(roots: readonly number[]): number {
  let sum = 0;
  for (const pid of descendants(roots)) {
    const kilobytes = /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1];
    sum += Number(kilobytes ?? 0) * 1024;
  }
  return sum;
}

/** Nothing of a process that ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
