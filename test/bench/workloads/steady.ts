import { setTimeout as sleep } from 'node:timers/promises';
import { serviceUrl } from '../../../tools/stack/postgres-database.ts';
import { GateError } from '../arm.ts';
import { partPids, startLoad, type Bench } from '../bench.ts';
import type { LoadOptions, LoadResult } from '../load.ts';
import { proportionalBytes } from '../memory.ts';
import { requestBodies } from '../notifications.ts';
import { Pipeline } from '../pipeline.ts';
import type { Program } from '../programs.ts';
import { median, quantile } from '../quantile.ts';
import { KEY, start, type Running } from '../services.ts';

const CAPACITY_SECONDS = 4;
const STEADY_SECONDS = 8;
/** Rounds that look for the capacity: at least, so that Kafka's and V8's compilers have done the most, and at most. */
const CAPACITY_ROUNDS = { least: 4, most: 10 };
/** A round that is faster than all before by less than this share shows no capacity that they did not. */
const STILL_FASTER = 0.05;
/** Enough that batches are as large as they get under load, and that a request that is due finds one free. */
const CONNECTIONS = 256;
const MIB = 1024 ** 2;

/**
 * All three services with everything that they do: how many pass from HTTP to the provider, how long one takes at half of
 * that (each sent when it is due, whether or not those before were answered), and how much memory they take at full load.
 */
export async function steady(bench: Bench, rounds: number): Promise<Record<string, number>> {
  const { stack, size, say } = bench;
  const pipeline = await Pipeline.start(bench, { name: 'steady' });
  const other = (name: 'api' | 'audit'): Promise<Running> =>
    start(name, stack, {
      KAFKA_TOPIC_PREFIX: pipeline.prefix,
      DATABASE_URL: serviceUrl(name, stack.ports.postgres, pipeline.databaseName),
    });
  const [api, audit] = [await other('api'), await other('audit')];
  const load = await startLoad();
  const services = [...Object.values(pipeline.pids), api.child.pid!, audit.child.pid!];
  const shared = { port: api.port, key: KEY, bodies: requestBodies(), connections: CONNECTIONS };
  const run = new Steady(pipeline, load);
  const closed = { ...shared, seconds: CAPACITY_SECONDS * size };
  try {
    const capacity = await capacityOf(run, closed, say);
    const calm: Round[] = [];
    for (let i = 0; i < rounds; i++) {
      calm.push(await run.round({ ...shared, perSecond: capacity / 2, seconds: STEADY_SECONDS * size }));
      say(`  at half of it: end-to-end p99 ${calm.at(-1)!.calledP99.toFixed(1)} ms`);
    }
    // Not beside the latencies: the kernel walks, and locks, a process' whole memory map to tell.
    const memory = watch(services, [...services, ...Object.values(partPids(stack))]);
    await run.round(closed);
    return { 'capacity of the three services, per second': capacity, ...latencies(calm), ...memory.end() };
  } finally {
    for (const { child } of [api, audit]) child.kill('SIGKILL');
    await Promise.all([pipeline.end(), load.end()]);
  }
}

/** The most that one of several rounds in a closed loop passes on per second, once further ones are no faster. */
async function capacityOf(run: Steady, closed: Omit<LoadOptions, 'first'>, say: Bench['say']): Promise<number> {
  let most = 0;
  for (let i = 1; i <= CAPACITY_ROUNDS.most; i++) {
    const { count, seconds } = await run.round(closed);
    const rate = count / seconds;
    say(`  from HTTP to the provider, three services: ${Math.round(rate)}/s`);
    if (i >= CAPACITY_ROUNDS.least && rate < most * (1 + STILL_FASTER)) return Math.max(most, rate);
    most = Math.max(most, rate);
  }
  return most;
}

function latencies(rounds: readonly Round[]): Record<string, number> {
  const of = (read: (round: Round) => number): number => median(rounds.map(read));
  return {
    'answer p50 (due → 202) at half of capacity, ms': of(({ answeredP50 }) => answeredP50),
    'answer p99 (due → 202) at half of capacity, ms': of(({ answeredP99 }) => answeredP99),
    'end-to-end p50 (due → provider called) at half of capacity, ms': of(({ calledP50 }) => calledP50),
    'end-to-end p99': of(({ calledP99 }) => calledP99),
    'end-to-end p99 of the best round': Math.min(...rounds.map(({ calledP99 }) => calledP99)),
    'end-to-end p99 of the worst round': Math.max(...rounds.map(({ calledP99 }) => calledP99)),
  };
}

interface Round {
  readonly count: number;
  /** From the first request until the last delivery. */
  readonly seconds: number;
  readonly answeredP50: number;
  readonly answeredP99: number;
  readonly calledP50: number;
  readonly calledP99: number;
}

class Steady {
  readonly #pipeline: Pipeline;
  readonly #load: Program;
  #first = 0;

  constructor(pipeline: Pipeline, load: Program) {
    this.#pipeline = pipeline;
    this.#load = load;
  }

  /** @throws GateError when an answer was no 202, or an accepted one was not delivered exactly once and in order */
  async round(options: Omit<LoadOptions, 'first'>): Promise<Round> {
    const pipeline = this.#pipeline;
    await pipeline.callTimes();
    const factsBefore = await pipeline.factsWritten();
    const deliveredBefore = await pipeline.delivered();
    const first = this.#first;
    const began = performance.now();
    const { ids, refused, refusal, latencies, due } = await this.#load.ask<LoadResult>({ ...options, first }, 'loaded');
    this.#first += due.length;
    if (refused > 0) throw new GateError(`${refused} answers were no 202, the first: ${refusal}`);
    while ((await pipeline.delivered()) - deliveredBefore < ids.length) {
      if (performance.now() - began > 120_000) throw new GateError('not all that was accepted was delivered');
      await sleep(10);
    }
    const seconds = (performance.now() - began) / 1000;
    await pipeline.check(ids, factsBefore);
    const called = (await pipeline.callTimes()).map(([n, at]) => at - due[n - first]!).sort((a, b) => a - b);
    return {
      count: ids.length,
      seconds,
      answeredP50: quantile(latencies, 0.5),
      answeredP99: quantile(latencies, 0.99),
      calledP50: quantile(called, 0.5),
      calledP99: quantile(called, 0.99),
    };
  }
}

/** Looks twice a second at how much memory processes have; `end` gives the most that was seen, MB. */
function watch(services: readonly number[], all: readonly number[]): { end(): Record<string, number> } {
  const most = { services: 0, stack: 0 };
  const look = (): void => {
    most.services = Math.max(most.services, proportionalBytes(services));
    most.stack = Math.max(most.stack, proportionalBytes(all));
  };
  const timer = setInterval(look, 500);
  return {
    end: () => {
      clearInterval(timer);
      look();
      return { 'memory of services': most.services / MIB, 'memory of stack': most.stack / MIB };
    },
  };
}
