import type { ArmResult, WorkloadResult } from '../arm.ts';
import { cpuPerThousand, judge, rateOf, spread, type Run, type Spread } from './figures.ts';
import { GOALS } from './goals.ts';

const whole = (value: number): string => Math.round(value).toLocaleString('en');
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/**
 * The results as Markdown: where and when, the ratios, and a table per workload.
 * @param charts the folder of the charts, seen from the page
 */
export function report(run: Run, charts: string): string {
  const parts = [
    `Commit \`${run.commit}\`, ${run.date}; ${run.cpu}, ${run.cores} cores, ${run.memoryGiB} GiB; ${run.versions}. ` +
      `${run.rounds} rounds, arms interleaved; medians, and from the slowest to the fastest round.` +
      (run.size < 1 ? ` Rounds of ${run.size} of their size: a quick look, no figures to quote.` : ''),
    '### Ratios',
    ratios(run),
    ...run.workloads.flatMap((workload) => [
      `### ${workload.title}`,
      workload.how,
      `![${workload.title}](${charts}${workload.name}.svg)`,
      figures(workload),
    ]),
  ];
  if (Object.keys(run.facts).length > 0) parts.push('### Further figures', facts(run));
  return `${parts.join('\n\n')}\n`;
}

function ratios(run: Run): string {
  const measured = new Set(run.workloads.map(({ name }) => name));
  const rows = GOALS.filter(
    ({ growth }) => (growth ?? false) === [...measured].some((name) => name.startsWith('growth')),
  ).map((goal) => judge(run, goal));
  return table(
    ['measure', 'reached', 'at least', 'stretch', ''],
    rows.map(({ measure, reached, atLeast, stretch, verdict }) => [measure, reached, atLeast, stretch, verdict]),
  );
}

export function figures({ arms, unit }: WorkloadResult): string {
  return table(
    ['', `${unit}/s`, 'min – max', 'CPU ms each, all processes', 'of these', 'p50 ms', 'p99 ms'],
    arms.map(armRow),
  );
}

function armRow(arm: ArmResult): string[] {
  const { samples, title, missing, noCpu } = arm;
  if (samples.length === 0) return [title, missing === undefined ? '–' : `missing: ${missing}`, '', '', '', '', ''];
  const rate = rateOf(arm);
  const cpu = spread(samples.map(cpuPerThousand));
  const timed = samples.every(({ p99 }) => p99 !== undefined);
  const latency = (read: (sample: (typeof samples)[number]) => number): string =>
    timed ? spread(samples.map(read)).median.toFixed(1) : '';
  return [
    title,
    whole(rate.median),
    `${whole(rate.min)} – ${whole(rate.max)}`,
    noCpu ? '' : cpuText(cpu),
    noCpu ? '' : partsOf(arm),
    latency(({ p50 }) => p50!),
    latency(({ p99 }) => p99!),
  ];
}

const cpuText = ({ median }: Spread): string => median.toPrecision(3);

function partsOf({ samples }: ArmResult): string {
  const names = Object.keys(samples[0]!.cpu);
  return names
    .map((name) => ({ name, ms: spread(samples.map(({ cpu, count }) => (cpu[name]! / count) * 1000)).median }))
    .filter(({ ms }) => ms >= 0.0005)
    .map(({ name, ms }) => `${name} ${ms.toPrecision(2)}`)
    .join(', ');
}

function facts({ facts }: Run): string {
  return table(
    ['', ''],
    Object.entries(facts).map(([name, value]) => [name, value >= 100 ? whole(value) : value.toFixed(2)]),
  );
}
