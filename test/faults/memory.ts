import { setTimeout as sleep } from 'node:timers/promises';
import { Inspector } from './inspector.ts';
import type { System } from './system.ts';

const MB = 1024 ** 2;
const SAMPLE_EVERY_MS = 2_000;

/** A service's memory in each third of a time, MB. */
interface Thirds {
  /** What the system gives it: medians. It holds garbage, too, and pages that are kept for later. */
  readonly resident: readonly [number, number, number];
  /** What it uses, on the heap and outside of it, after a collection: minima, as requests are under way. */
  readonly used: readonly [number, number, number];
}

/**
 * Looks at the services' memory until the work is done, each time after a collection: what V8 has not got round to collect says
 * nothing of what is kept. The services are to be INSPECTED.
 */
export async function memoryDuring(system: System, work: Promise<void>): Promise<ReadonlyMap<string, Thirds>> {
  const inspectors = await Promise.all(system.names.map((name) => Inspector.of(system.service(name).log)));
  const samples = new Map(system.names.map((name) => [name, [] as Sample[]]));
  const done = work.then(() => true);
  // Whatever fails first is thrown; the other must not end the process.
  done.catch(() => undefined);
  try {
    do {
      await Promise.all(
        [...samples].map(async ([name, of], n) => {
          const used = await inspectors[n]!.usedMemory();
          of.push({ used: used / MB, resident: await residentOf(system.service(name).managementUrl) });
        }),
      );
    } while (!(await Promise.race([done, sleep(SAMPLE_EVERY_MS, false)])));
  } finally {
    for (const inspector of inspectors) inspector.close();
  }
  return new Map([...samples].map(([name, of]) => [name, thirdsOf(of)]));
}

interface Sample {
  readonly resident: number;
  readonly used: number;
}

async function residentOf(managementUrl: string): Promise<number> {
  const answer = await fetch(`${managementUrl}/metrics`, { signal: AbortSignal.timeout(20_000) });
  return Number(/^process_resident_memory_bytes (.+)$/m.exec(await answer.text())?.[1]) / MB;
}

/** @throws Error when there are too few samples to speak of thirds */
export function thirdsOf(samples: readonly Sample[]): Thirds {
  if (samples.length < 9) throw new Error(`Only ${samples.length} samples of the memory`);
  const third = Math.ceil(samples.length / 3);
  const each = (measure: (of: readonly Sample[]) => number): [number, number, number] => [
    measure(samples.slice(0, third)),
    measure(samples.slice(third, 2 * third)),
    measure(samples.slice(2 * third)),
  ];
  return {
    resident: each((of) => median(of.map(({ resident }) => resident))),
    used: each((of) => Math.min(...of.map(({ used }) => used))),
  };
}

const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? 0;

/** In words, for whoever watches. */
export const describe = (memory: ReadonlyMap<string, Thirds>): string =>
  [...memory].map(([name, { resident, used }]) => `${name} ${inMb(resident)} (of it used ${inMb(used)})`).join('; ');

const inMb = (of: readonly number[]): string => `${of.map(Math.round).join(', ')} MB`;

/** The first third is caches and heaps that fill. Growth from the second to the last by no more than so much is none. */
const FLAT = { usedMb: 10, usedShare: 0.1, residentShare: 0.3 };
/** More than a service needs with its buffers full, and far less than a flood would need that was only kept, MB. */
const BOUND = 768;

/** Services whose memory grew, or is more than they may need. */
export const notFlat = (memory: ReadonlyMap<string, Thirds>): string[] =>
  [...memory].flatMap(([name, { resident, used }]) => {
    const usedGrew = used[2] > used[1] + FLAT.usedMb && used[2] > used[1] * (1 + FLAT.usedShare);
    const residentGrew = resident[2] > resident[1] * (1 + FLAT.residentShare);
    return usedGrew || residentGrew || Math.max(...resident) > BOUND ? [name] : [];
  });
