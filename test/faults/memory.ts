import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { System } from './system.ts';

const MB = 1024 ** 2;

/** Resident memory of a process, from Linux's /proc, bytes. */
export function residentBytes(pid: number): number {
  const [, pages] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
  return Number(pages) * 4096;
}

/** Medians of the resident memory in each third of a time, by service, MB. */
export type Thirds = ReadonlyMap<string, readonly [number, number, number]>;

/** Reads the services' memory four times a second until the work is done. */
export async function memoryDuring(system: System, work: Promise<void>): Promise<Thirds> {
  const samples = new Map<string, number[]>(system.names.map((name) => [name, []]));
  const done = work.then(() => true);
  do {
    for (const [name, sizes] of samples) sizes.push(residentBytes(system.service(name).pid) / MB);
  } while (!(await Promise.race([done, sleep(250, false)])));
  return new Map([...samples].map(([name, sizes]) => [name, thirdsOf(sizes)]));
}

function thirdsOf(sizes: readonly number[]): [number, number, number] {
  const third = Math.ceil(sizes.length / 3);
  const [first = 0, second = 0, last = 0] = [0, 1, 2].map((n) => median(sizes.slice(n * third, (n + 1) * third)));
  return [first, second, last];
}

const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? 0;

/** In words, for whoever watches. */
export const describe = (thirds: Thirds): string =>
  [...thirds].map(([name, of]) => `${name} ${of.map(Math.round).join(', ')}`).join('; ');

/**
 * Services whose memory grew from the second to the last third by more than this share; the first third is caches and heaps
 * that fill. Young heaps move by a tenth with each collection.
 */
export const growing = (thirds: Thirds, share: number): string[] =>
  [...thirds].flatMap(([name, [, second, last]]) => (last > second * (1 + share) ? [name] : []));
