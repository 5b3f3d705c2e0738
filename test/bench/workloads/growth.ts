import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import pg from 'pg';
import type { Arm, Sample, Workload } from '../arm.ts';
import type { FillRequest } from '../arms/src/fill-request.ts';
import type { Bench } from '../bench.ts';
import { fillEnded } from '../claim/ledger-fill.ts';
import type { GrowthName } from '../options.ts';
import { Pipeline, type PipelineOptions } from '../pipeline.ts';
import { startProgram, type Program } from '../programs.ts';
import { quantile } from '../quantile.ts';
import { deliverBacklog } from './backlog.ts';

const BACKLOG = 20_000;
const PACED_SECONDS = 4;
/** Fewer than LEDGER_RETENTION keeps: none is dropped meanwhile. */
const WEEKS = 4;
/** What an ended notification takes on disk with its delivery, their indexes and the log of writing them; bytes. */
const BYTES_EACH = 1_300;
const HOW =
  'The notification service alone, provider 0 ms, one broker (so each record is in one place). Delivered per second: a backlog. ' +
  'p50 and p99: from when a notification was due in Kafka until its provider was called, open loop, at half of what the first ' +
  'of the table delivers from its backlog: the same rate for all of a round.';

interface Step {
  readonly name: string;
  readonly title: string;
  readonly options: Omit<PipelineOptions, 'name'>;
}

/** What is delivered, and how late, as the work grows: each with all else alike. */
export const GROWTH: Readonly<Record<GrowthName, (bench: Bench) => Promise<Workload>>> = {
  ledger,
  partitions,
  replicas,
};

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
  const pace: Pace = { perSecond: undefined };
  for (const step of steps) arms.push(await arm(bench, fill, { what, pace, isFirst: arms.length === 0 }, step));
  return { name: `growth-${what}`, title, unit: 'delivered', how: HOW, arms, end: () => fill.end() };
}

/** How many per second all arms of a round get. */
interface Pace {
  perSecond: number | undefined;
}

interface Place {
  readonly what: string;
  readonly pace: Pace;
  /** Whether it is the one whose capacity the pace is half of. */
  readonly isFirst: boolean;
}

async function arm(bench: Bench, fill: Program, { what, pace, isFirst }: Place, step: Step): Promise<Arm> {
  const { name, title, options } = step;
  const pipeline = await Pipeline.start(bench, { ...options, name: `${what}-${name}` });
  // Paused, it does not ask the broker for records while others are measured.
  await pipeline.pause(0);
  let first = 0;
  const request = (count: number): FillRequest => {
    first += count;
    return { prefix: pipeline.prefix, count, first: first - count, keys: 'uniform', bodyBytes: 66 };
  };
  const round = async (share: number): Promise<Sample> => {
    const count = Math.ceil(BACKLOG * share * bench.size);
    const sample = await deliverBacklog(bench, pipeline, fill, { providerMs: 0, request: request(count) });
    if (isFirst || pace.perSecond === undefined) pace.perSecond = count / sample.seconds / 2;
    const { perSecond } = pace;
    const paced = { ...request(Math.ceil(perSecond * PACED_SECONDS * share * bench.size)), perSecond };
    const late = await lateness(pipeline, fill, paced);
    await pipeline.pause(0);
    return { ...sample, p50: quantile(late, 0.5), p99: quantile(late, 0.99) };
  };
  return { name: `bongsu-${name}`, title, round, end: () => pipeline.end() };
}

/** Sends each when it is due; gives how much later its provider was called, milliseconds, sorted. */
async function lateness(pipeline: Pipeline, fill: Program, request: FillRequest): Promise<number[]> {
  const { first } = request;
  const facts = await pipeline.factsWritten();
  await pipeline.callTimes();
  const before = await pipeline.delivered();
  const dueHeard = fill.hear<number[]>('due');
  const ids = await fill.ask<string[]>(request, 'filled');
  const due = await dueHeard;
  await pipeline.reach(before + ids.length);
  await pipeline.check(ids, facts);
  return (await pipeline.callTimes()).map(([n, at]) => at - due[n - first]!).sort((a, b) => a - b);
}

/** @throws Error when the disk has no room for it */
async function fillLedger(bench: Bench, to: pg.ClientConfig, ended: number): Promise<void> {
  if (ended === 0) return;
  const { bavail, bsize } = await statfs(tmpdir());
  const [needed, free] = [ended * BYTES_EACH, bavail * bsize].map((bytes) => Math.ceil(bytes / 1024 ** 3)) as [
    number,
    number,
  ];
  if (free < needed) throw new Error(`a ledger of ${ended} takes ${needed} GiB of ${tmpdir()}, and ${free} are free`);
  const began = performance.now();
  const clients = [new pg.Client(to), new pg.Client(to)] as const;
  try {
    await Promise.all(clients.map((client) => client.connect()));
    await fillEnded(clients, WEEKS, ended);
    await Promise.all([
      clients[0].query('VACUUM (ANALYZE) notifications'),
      clients[1].query('VACUUM (ANALYZE) deliveries'),
    ]);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
  await checkpoint(bench);
  const seconds = Math.round((performance.now() - began) / 1000);
  bench.say(`  filled a ledger with ${ended.toLocaleString('en')} ended notifications in ${seconds} s`);
}

/** What filling has left to be written is written now, not while something is measured. */
async function checkpoint({ stack }: Bench): Promise<void> {
  const admin = new pg.Client(stack.postgresUrl);
  await admin.connect();
  try {
    await admin.query('CHECKPOINT');
  } finally {
    await admin.end();
  }
}
