import { parseArgs } from 'node:util';

export interface SuiteOptions {
  readonly seeds: readonly number[];
  /** Numbers of faults; undefined: all. */
  readonly only: readonly number[] | undefined;
  readonly notifications: number;
  readonly perSecond: number;
  /** A Markdown file whose last results are replaced. */
  readonly report: string | undefined;
}

export const USAGE = `npm run test:faults [-- OPTIONS]

  --seed N            the schedule's seed (default: of the clock); again for more than one
  --only 8,12         these faults alone
  --notifications N   accepted at least, for each fault (default 20000)
  --rate N            notifications per second, as long as they are accepted (default 1000)
  --report FILE       write the results into FILE, between its markers, after each fault`;

/** @throws TypeError with a sentence for what is no option or no number */
export function parseOptions(args: readonly string[]): SuiteOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', multiple: true },
      only: { type: 'string' },
      notifications: { type: 'string', default: '20000' },
      rate: { type: 'string', default: '1000' },
      report: { type: 'string' },
    },
  });
  return {
    seeds: (values.seed ?? [String(Date.now() % 100_000)]).map((text) => whole('--seed', text)),
    only: values.only?.split(',').map((text) => whole('--only', text)),
    notifications: whole('--notifications', values.notifications),
    perSecond: whole('--rate', values.rate),
    report: values.report,
  };
}

/** The command that runs a fault again as it was; those that have tests of their own have no seed and no load. */
export const replay = (number: number, seed: number | undefined, { notifications, perSecond }: SuiteOptions): string =>
  [
    `npm run test:faults -- --only ${number}`,
    ...(seed === undefined ? [] : [`--seed ${seed} --notifications ${notifications} --rate ${perSecond}`]),
  ].join(' ');

function whole(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new TypeError(`${name} takes a whole number, not "${text}"`);
  return Number(text);
}
