import pg from 'pg';
import type { Arm, Sample, Workload } from '../arm.ts';
import { measured, type Bench } from '../bench.ts';
import { fillEnded } from '../claim/ledger-fill.ts';
import { Pipeline, type PipelineOptions } from '../pipeline.ts';
import { startProgram, type Program } from '../programs.ts';
import { quantile } from '../quantile.ts';

const BACKLOG = 20_000;
const PER_SECOND = 1_000;
const PACED_SECONDS = 4;
/** Fewer than LEDGER_RETENTION keeps: none is dropped meanwhile. */
const WEEKS = 4;
const HOW =
  'The notification service alone, provider 0 ms. Delivered per second: a backlog. p50 and p99: from when a notification was ' +
  `due in Kafka until its provider was called, ${PER_SECOND.toLocaleString('en')} per second, open loop.`;

interface Step {
  readonly name: string;
  readonly title: string;
  readonly options: Omit<PipelineOptions, 'name'>;
}

/** What is delivered, and how late, as the work grows: each with all else alike. */
export const GROWTH: readonly ((bench: Bench) => Promise<Workload>)[] = [ledger, partitions, replicas];

function ledger(bench: Bench): Promise<Workload> {
  const sizes = [
    { name: 'empty', ended: 0 },
    { name: '1m', ended: 1_000_000 },
    { name: '10m', ended: 10_000_000 },
  ];
  const steps = sizes.map(({ name, ended }) => ({
    name,
    title: `${Math.round(ended * bench.size).toLocaleString('en')} ended notifications in the ledger`,
    options: { prepare: (to: pg.ClientConfig) => fillLedger(bench, to, Math.round(ended * bench.size)) },
  }));
  return workload(bench, 'ledger', 'The ledger grows', steps);
}

function partitions(bench: Bench): Promise<Workload> {
  const topics = ['requests.urgent', 'requests.normal', 'requests.bulk', 'commands', 'events'];
  const steps = [1, 4, 8].map((count) => ({
    name: String(count),
    title: `${count} partition${count === 1 ? '' : 's'} per topic`,
    options: { env: { KAFKA_TOPICS: topics.map((topic) => `notification.${topic}.v1:${count}:1`).join(',') } },
  }));
  return workload(bench, 'partitions', 'Partitions', steps);
}

function replicas(bench: Bench): Promise<Workload> {
  const steps = [1, 2, 3].map((count) => ({
    name: String(count),
    title: `${count} replica${count === 1 ? '' : 's'} of notification`,
    options: { replicas: count },
  }));
  return workload(bench, 'replicas', 'Replicas of the notification service', steps);
}

async function workload(bench: Bench, what: string, title: string, steps: readonly Step[]): Promise<Workload> {
  const fill = await startProgram('fill', { KAFKA_BROKERS: bench.stack.kafkaBrokers });
  const arms: Arm[] = [];
  for (const step of steps) arms.push(await arm(bench, fill, what, step));
  return { name: `growth-${what}`, title, unit: 'delivered', how: HOW, arms, end: () => fill.end() };
}

async function arm(bench: Bench, fill: Program, what: string, { name, title, options }: Step): Promise<Arm> {
  const pipeline = await Pipeline.start(bench, { ...options, name: `${what}-${name}` });
  let first = 0;
  const request = (count: number): object => {
    first += count;
    return { prefix: pipeline.prefix, count, first: first - count, keys: 'uniform', bodyBytes: 66 };
  };
  const round = async (share: number): Promise<Sample> => {
    const count = Math.ceil(BACKLOG * share * bench.size);
    await pipeline.pause(0);
    let facts = await pipeline.factsWritten();
    const ids = await fill.ask<string[]>(request(count), 'filled');
    const { done } = await pipeline.begin(count);
    const { seconds, cpu } = await measured(bench, pipeline.pids, () => done);
    await pipeline.check(ids, facts);
    facts = await pipeline.factsWritten();
    const late = await lateness(pipeline, fill, request(Math.ceil(PER_SECOND * PACED_SECONDS * share)), facts);
    return { count, seconds, cpu, p50: quantile(late, 0.5), p99: quantile(late, 0.99) };
  };
  return { name: `bongsu-${name}`, title, round, end: () => pipeline.end() };
}

/** Sends each when it is due; gives how much later its provider was called, milliseconds, sorted. */
async function lateness(pipeline: Pipeline, fill: Program, request: object, facts: number): Promise<number[]> {
  const { first } = request as { first: number };
  await pipeline.callTimes();
  const before = await pipeline.delivered();
  const dueHeard = fill.hear<number[]>('due');
  const ids = await fill.ask<string[]>({ ...request, perSecond: PER_SECOND }, 'filled');
  const due = await dueHeard;
  await pipeline.reach(before + ids.length);
  await pipeline.check(ids, facts);
  return (await pipeline.callTimes()).map(([n, at]) => at - due[n - first]!).sort((a, b) => a - b);
}

async function fillLedger(bench: Bench, to: pg.ClientConfig, ended: number): Promise<void> {
  if (ended === 0) return;
  bench.say(`  filling a ledger with ${ended.toLocaleString('en')} ended notifications`);
  const client = new pg.Client(to);
  await client.connect();
  try {
    await fillEnded(client, WEEKS, ended);
    await client.query('VACUUM ANALYZE notifications, deliveries');
  } finally {
    await client.end();
  }
}
