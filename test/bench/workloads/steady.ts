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

const CAPACITY_SECONDS = 5;
const STEADY_SECONDS = 8;
const CLOSED_CONNECTIONS = 64;
/** Enough that a request that is due finds one free. */
const OPEN_CONNECTIONS = 256;
const MIB = 1024 ** 2;

/**
 * All three services with everything that they do: how many pass from HTTP to the provider, how long one takes at half of
 * that (each sent when it is due, whether or not those before were answered), and how much memory it takes.
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
  const all = [...services, ...Object.values(partPids(stack))];
  const shared = { port: api.port, key: KEY, bodies: requestBodies() };
  const run = new Steady(pipeline, load);
  try {
    await run.round({ ...shared, connections: CLOSED_CONNECTIONS, seconds: 2 });
    const closed = await run.round({ ...shared, connections: CLOSED_CONNECTIONS, seconds: CAPACITY_SECONDS * size });
    const capacity = closed.count / closed.seconds;
    say(`  from HTTP to the provider, three services: ${Math.round(capacity)}/s`);
    const memory = watch(services, all);
    const calm = [];
    for (let i = 0; i < rounds; i++) {
      const open = { connections: OPEN_CONNECTIONS, perSecond: capacity / 2, seconds: STEADY_SECONDS * size };
      calm.push(await run.round({ ...shared, ...open }));
      say(`  at half of it: end-to-end p99 ${calm.at(-1)!.calledP99.toFixed(1)} ms`);
    }
    const most = memory.end();
    return {
      'capacity of the three services, per second': capacity,
      'answer p50 (due → 202) at half of capacity, ms': median(calm.map(({ answeredP50 }) => answeredP50)),
      'answer p99 (due → 202) at half of capacity, ms': median(calm.map(({ answeredP99 }) => answeredP99)),
      'end-to-end p50 (due → provider called) at half of capacity, ms': median(calm.map(({ calledP50 }) => calledP50)),
      'end-to-end p99': median(calm.map(({ calledP99 }) => calledP99)),
      'end-to-end p99 of the best round': Math.min(...calm.map(({ calledP99 }) => calledP99)),
      'end-to-end p99 of the worst round': Math.max(...calm.map(({ calledP99 }) => calledP99)),
      'memory of services': most.services / MIB,
      'memory of stack': most.all / MIB,
    };
  } finally {
    for (const { child } of [api, audit]) child.kill('SIGKILL');
    await Promise.all([pipeline.end(), load.end()]);
  }
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

/** Looks twice a second at how much memory processes have; `end` gives the most that was seen, bytes. */
function watch(services: readonly number[], all: readonly number[]): { end(): { services: number; all: number } } {
  const most = { services: 0, all: 0 };
  const look = (): void => {
    most.services = Math.max(most.services, proportionalBytes(services));
    most.all = Math.max(most.all, proportionalBytes(all));
  };
  const timer = setInterval(look, 500);
  return {
    end: () => {
      clearInterval(timer);
      look();
      return most;
    },
  };
}
