/** `npm run bench`: how fast, at what cost, and beside what one would use instead (docs/benchmark.md). */
import { buildApps } from '../../tools/build/build-apps.ts';
import type { Workload, WorkloadResult } from './arm.ts';
import { withBench, type Bench } from './bench.ts';
import { readOptions, USAGE, type Options, type WorkloadName } from './options.ts';
import { buildPrograms } from './programs.ts';
import { machine } from './report/machine.ts';
import { publish, write } from './report/publish.ts';
import { report } from './report/report.ts';
import type { Run } from './report/figures.ts';
import { runRounds } from './rounds.ts';
import { steady } from './workloads/steady.ts';
import { urgentBehindBulk } from './workloads/urgent.ts';
import { GROWTH } from './workloads/growth.ts';
import { accept } from './workloads/accept.ts';
import { audit } from './workloads/audit.ts';
import { produce } from './workloads/produce.ts';
import { deliver } from './workloads/deliver.ts';
import { shapes } from './workloads/shapes.ts';
import { consume } from './workloads/consume.ts';

const ARMS: Partial<Record<WorkloadName, (bench: Bench) => Promise<Workload>>> = {
  accept,
  produce,
  consume,
  deliver,
  shapes,
  audit,
};

/** Workloads that compare nothing side by side: quantiles and memory. */
const FACTS: Partial<Record<WorkloadName, (bench: Bench, rounds: number) => Promise<Record<string, number>>>> = {
  steady,
  urgent: urgentBehindBulk,
};

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') return console.log(USAGE);
  await buildApps();
  await buildPrograms();
  const grows = options.growth.length > 0;
  const run = grows ? await growth(options) : await bench(options);
  console.log(`\n${report(run, '')}`);
  if (options.docs) await publish(run, grows ? 'growth' : 'results');
}

async function bench({ rounds, only, size, out }: Options): Promise<Run> {
  const began = machine();
  const workloads: WorkloadResult[] = [];
  const facts: Record<string, number> = {};
  for (const name of only) {
    console.log(`${name}:`);
    const [make, tell] = [ARMS[name], FACTS[name]];
    // Servers of their own: what one workload leaves behind must not slow the next one down.
    if (make) workloads.push(await withBench(size, console.log, (each) => runWorkload(each, make, rounds)));
    if (tell) Object.assign(facts, await withBench(size, console.log, (each) => tell(each, rounds)));
    // What is done is kept when a later workload fails a gate.
    if (out !== '') await write(out, { ...began, rounds, size, workloads, facts });
  }
  return { ...began, rounds, size, workloads, facts };
}

/** Not what others do, but what it costs as the work grows. */
async function growth({ rounds, growth, size, out }: Options): Promise<Run> {
  const began = machine();
  const workloads: WorkloadResult[] = [];
  for (const what of growth) {
    console.log(`${what}:`);
    workloads.push(await withBench(size, console.log, (each) => runWorkload(each, GROWTH[what], rounds)));
    if (out !== '') await write(out, { ...began, rounds, size, workloads, facts: {} });
  }
  return { ...began, rounds, size, workloads, facts: {} };
}

async function runWorkload(
  bench: Bench,
  make: (bench: Bench) => Promise<Workload>,
  rounds: number,
): Promise<WorkloadResult> {
  const workload = await make(bench);
  try {
    return await runRounds(workload, rounds, bench.say);
  } finally {
    for (const arm of workload.arms) await arm.end?.();
    await workload.end?.();
  }
}

await main();
