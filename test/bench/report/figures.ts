import type { ArmResult, Sample, WorkloadResult } from '../arm.ts';
import { median } from '../quantile.ts';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export const spread = (values: readonly number[]): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
});

export const perSecond = ({ count, seconds }: Sample): number => count / seconds;

/** CPU seconds of all processes per thousand, which is also milliseconds per one. */
export const cpuPerThousand = ({ cpu, count }: Sample): number =>
  (Object.values(cpu).reduce((sum, each) => sum + each, 0) / count) * 1000;

/** The same of one process. */
export const cpuPerThousandOf =
  (process: string) =>
  (sample: Sample): number =>
    ((sample.cpu[process] ?? Number.NaN) / sample.count) * 1000;

export const rateOf = ({ samples }: ArmResult): Spread => spread(samples.map(perSecond));

/** What a run came to, and where. */
export interface Run {
  readonly date: string;
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly versions: string;
  readonly rounds: number;
  readonly size: number;
  readonly workloads: readonly WorkloadResult[];
  /** Figures that are not rates of arms: quantiles, memory. By name, in the unit that the name ends with. */
  readonly facts: Readonly<Record<string, number>>;
}

export interface Ratio {
  readonly measure: string;
  readonly atLeast: string;
  readonly stretch: string;
  readonly reached: string;
  readonly verdict: 'stretch' | 'reached' | 'not reached' | 'not measured';
}

type Read = (run: Run) => number | undefined;

/** One line of the table of ratios. `most`: the smaller, the better. */
export interface Goal {
  readonly measure: string;
  readonly atLeast: number;
  readonly stretch: number;
  readonly most?: boolean;
  /** One of `--growth`. */
  readonly growth?: boolean;
  readonly unit: '×' | 'µs' | 'ms' | 'MB';
  readonly of: Read;
}

const arm = (run: Run, workload: string, name: string): ArmResult | undefined => {
  const found = run.workloads.find((each) => each.name === workload)?.arms.find((each) => each.name === name);
  return found && found.samples.length > 0 ? found : undefined;
};

/** The median of `read` of one arm over that of another of the same workload; the arms ran interleaved. */
export const ratio =
  (workload: string, ours: string, theirs: string, read: (sample: Sample) => number = perSecond): Read =>
  (run) => {
    const [a, b] = [arm(run, workload, ours), arm(run, workload, theirs)];
    return a && b && median(a.samples.map(read)) / median(b.samples.map(read));
  };

export const figure =
  (workload: string, name: string, read: (sample: Sample) => number): Read =>
  (run) => {
    const found = arm(run, workload, name);
    return found && median(found.samples.map(read));
  };

export const fact =
  (name: string): Read =>
  (run) =>
    run.facts[name];

export function judge(run: Run, { measure, atLeast, stretch, most = false, unit, of }: Goal): Ratio {
  const value = of(run);
  const meets = (goal: number): boolean => value !== undefined && (most ? value <= goal : value >= goal);
  const verdict = !Number.isFinite(value)
    ? 'not measured'
    : meets(stretch)
      ? 'stretch'
      : meets(atLeast)
        ? 'reached'
        : 'not reached';
  const sign = most ? '≤ ' : '';
  const text = (goal: number): string => `${sign}${show(goal, unit)}`;
  return {
    measure,
    atLeast: text(atLeast),
    stretch: text(stretch),
    reached: value === undefined || !Number.isFinite(value) ? '–' : show(value, unit),
    verdict,
  };
}

function show(value: number, unit: Goal['unit']): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${Number(value.toFixed(digits))}${unit === '×' ? '' : ' '}${unit}`;
}
