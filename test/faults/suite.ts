import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildApps } from '../../tools/build/build-apps.ts';
import { endStack, endStackNow, startDisposableStack, type DisposableStack } from '../../tools/stack/disposable.ts';
import { FAULTS } from './faults/all.ts';
import { isCovered, type CoveredFault, type Fault } from './fault.ts';
import { parseOptions, USAGE, type SuiteOptions } from './options.ts';
import { isWell, table, writeReport, type Line } from './report.ts';
import { run } from './run.ts';

/** Runs the suite; gives the exit code: 0 when every promise held, 1 when one did not, 2 for options that are none. */
export async function runSuite(args: readonly string[]): Promise<number> {
  let options: SuiteOptions;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  const wanted = FAULTS.filter(({ number }) => options.only?.includes(number) ?? true);
  if (wanted.length === 0) {
    console.error(`There is no such fault. There are: ${FAULTS.map(({ number }) => number).join(', ')}`);
    return 2;
  }
  await buildApps();
  const lines: Line[] = [];
  const stacks = new Stacks();
  try {
    // Those of the cluster last, so that each stack is started once and only one runs at a time.
    const [single, cluster] = [false, true].map((of) => wanted.filter((fault) => usesCluster(fault) === of));
    for (const fault of [...(single ?? []), ...(cluster ?? [])]) {
      const seeds = isCovered(fault) ? options.seeds.slice(0, 1) : options.seeds;
      for (const seed of seeds) lines.push(await outcomeOf(fault, seed, options, stacks));
    }
  } finally {
    await stacks.end();
  }
  lines.sort((a, b) => a.number - b.number);
  console.log(`\n${table(lines)}\n`);
  if (options.report !== undefined) {
    const notes = [`${options.notifications} notifications per fault, ${options.perSecond} per second.`];
    await writeReport(options.report, lines, notes);
  }
  for (const line of lines.filter((each) => !isWell(each)))
    console.log(
      `Again: npm run test:faults -- --only ${line.number} --seed ${line.seed} --notifications ${options.notifications}`,
    );
  return lines.every(isWell) ? 0 : 1;
}

const usesCluster = (fault: Fault | CoveredFault): boolean => !isCovered(fault) && fault.cluster === true;

async function outcomeOf(
  fault: Fault | CoveredFault,
  seed: number,
  options: SuiteOptions,
  stacks: Stacks,
): Promise<Line> {
  const { number, title } = fault;
  const began = performance.now();
  const say = (what: string): void =>
    console.log(`  ${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${what}`);
  console.log(`\n${number}. ${title} (seed ${seed})`);
  const line = { number, title, seed };
  try {
    if (isCovered(fault)) return { ...line, outcome: { covered: await testsPass(fault.tests) } };
    const stack = await stacks.get(fault.cluster === true);
    const outcome = await run(fault, stack, { ...options, seed, say });
    for (const problem of outcome.problems) say(`PROBLEM: ${problem}`);
    say(`lost ${outcome.lost}, duplicated ${outcome.duplicated}, out of order ${outcome.reordered}`);
    return { ...line, outcome };
  } catch (error) {
    say(`FAILED: ${(error as Error).stack}`);
    // What it broke may not be mended: the next one gets a new stack.
    await stacks.end();
    return { ...line, outcome: { failed: (error as Error).message } };
  }
}

async function testsPass(tests: readonly string[]): Promise<boolean> {
  const child = spawn('npx', ['vitest', 'run', ...tests], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code === 0;
}

/** The stack that is running: one broker or three, started when first needed. */
class Stacks {
  #stack: DisposableStack | undefined;
  #cluster = false;

  constructor() {
    process.once('exit', () => this.#stack && endStackNow(this.#stack.home));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  }

  async get(cluster: boolean): Promise<DisposableStack> {
    if (this.#stack && this.#cluster !== cluster) await this.end();
    this.#cluster = cluster;
    this.#stack ??= await startDisposableStack({ cluster });
    return this.#stack;
  }

  async end(): Promise<void> {
    const stack = this.#stack;
    this.#stack = undefined;
    if (!stack) return;
    await endStack(stack.home);
    await sleep(100);
  }
}
