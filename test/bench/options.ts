import { parseArgs } from 'node:util';

export const WORKLOADS = ['accept', 'produce', 'consume', 'deliver', 'shapes', 'steady', 'audit', 'urgent'] as const;
export type WorkloadName = (typeof WORKLOADS)[number];
/** What grows, with `--growth`. */
export const GROWING = ['ledger', 'partitions', 'replicas'] as const;
export type GrowthName = (typeof GROWING)[number];

export interface Options {
  readonly rounds: number;
  readonly only: readonly WorkloadName[];
  /** Share of a round's full size. */
  readonly size: number;
  /** What is to grow; none without `--growth`. */
  readonly growth: readonly GrowthName[];
  /** Where charts and results are written. */
  readonly out: string;
  /** Whether docs/benchmark.md is to tell of this run. */
  readonly docs: boolean;
}

export const USAGE = `npm run bench -- [--rounds 5] [--only ${WORKLOADS.join(',')}] [--quick] [--growth] [--out FOLDER]
  --rounds   how often each arm runs, after one round that warms up (5; with --growth 3)
  --only     the workloads to run, comma-separated (with --growth: ${GROWING.join(',')})
  --quick    rounds of a fifth of the size, two of each unless --rounds says otherwise: to see that it works
  --growth   instead: what is delivered as the ledger, the partitions and the replicas grow
  --out      where results.md, results.json and the charts are written (nowhere when left out)
  --docs     puts the results into docs/benchmark.md`;

/** @throws Error for what is not understood */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      growth: { type: 'boolean', default: false },
      out: { type: 'string', default: '' },
      docs: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const rounds = Number(values.rounds ?? (values.quick ? 2 : values.growth ? 3 : 5));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error('--rounds takes a number from 1 to 100');
  const known: readonly string[] = values.growth ? GROWING : WORKLOADS;
  const named = values.only?.split(',').map((each) => each.trim()) ?? known;
  const unknown = named.find((each) => !known.includes(each));
  if (unknown !== undefined) throw new Error(`--only: there is no ${unknown}, but ${known.join(', ')}`);
  return {
    rounds,
    only: values.growth ? [] : (named as WorkloadName[]),
    size: values.quick ? 0.2 : 1,
    growth: values.growth ? (named as GrowthName[]) : [],
    out: values.out,
    docs: values.docs,
  };
}
