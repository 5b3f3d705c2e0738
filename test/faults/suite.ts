import { setTimeout as sleep } from 'node:timers/promises';
import { buildApps } from '../../tools/build/build-apps.ts';
import { endStack, endStackNow, startDisposableStack, type DisposableStack } from '../../tools/stack/disposable.ts';
import { runCovered } from './covered.ts';
import { FAULTS } from './faults/all.ts';
import { isCovered, type Fault } from './fault.ts';
import { parseOptions, replay, USAGE, type SuiteOptions } from './options.ts';
import { isWell, originOf, table, writeReport, type Line } from './report.ts';
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
  const began = performance.now();
  const origin = originOf();
  const lines: Line[] = [];
  const done = async (line: Line): Promise<void> => {
    lines.push(line);
    lines.sort((a, b) => a.number - b.number);
    // After each: a run that is cut short has its results, too.
    const minutes = (performance.now() - began) / 60_000;
    if (options.report !== undefined) await writeReport(options.report, lines, { ...options, origin, minutes });
  };
  const stacks = new Stacks();
  try {
    // Those of the cluster last, so that each stack is started once and only one runs at a time.
    const underLoad = wanted.filter((fault): fault is Fault => !isCovered(fault));
    for (const cluster of [false, true])
      for (const fault of underLoad.filter((each) => (each.cluster === true) === cluster))
        for (const seed of options.seeds) await done(await outcomeOf(fault, seed, options, stacks));
  } finally {
    await stacks.end();
  }
  for (const line of await runCovered(wanted.filter((fault) => isCovered(fault)))) await done(line);
  console.log(`\n${table(lines)}\n\n${((performance.now() - began) / 60_000).toFixed(0)} minutes`);
  for (const line of lines.filter((each) => !isWell(each)))
    console.log(`Again: ${replay(line.number, line.seed, options)}`);
  return lines.every(isWell) ? 0 : 1;
}

async function outcomeOf(fault: Fault, seed: number, options: SuiteOptions, stacks: Stacks): Promise<Line> {
  const { number, title } = fault;
  const began = performance.now();
  const say = (what: string): void =>
    console.log(`  ${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${what}`);
  console.log(`\n${number}. ${title} (seed ${seed})`);
  const line = { number, title, seed };
  try {
    const stack = await stacks.get(fault.cluster === true);
    const outcome = await run(fault, stack, { ...options, seed, say });
    // What broke a promise may still be broken.
    if (outcome.problems.length > 0) await stacks.end();
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
