import { readFileSync } from 'node:fs';

/** Resident memory of a process, from Linux's /proc, bytes. */
export function residentBytes(pid: number): number {
  const [, pages] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
  return Number(pages) * 4096;
}
