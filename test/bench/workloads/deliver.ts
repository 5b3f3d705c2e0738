import { GateError, missingArm, type Arm, type Sample, type Workload } from '../arm.ts';
import type { FillRequest } from '../arms/src/fill-request.ts';
import { measured, type Bench } from '../bench.ts';
import { Pipeline, REQUESTS } from '../pipeline.ts';
import { startProgram, type Program } from '../programs.ts';
import { redisIsThere, startRedis } from '../redis.ts';
import { compareIds } from '../topics.ts';
import { deliverBacklog } from './backlog.ts';

interface Size {
  readonly ms: number;
  readonly count: number;
}

/** Everything between a backlog and the last row that says "delivered". */
export async function deliver(bench: Bench): Promise<Workload> {
  const fill = await startProgram('fill', { KAFKA_BROKERS: bench.stack.kafkaBrokers });
  const ours = await Pipeline.start(bench, { name: 'deliver' });
  const wide = await Pipeline.start(bench, { name: 'deliver-wide', env: { DISPATCH_CONCURRENCY: '1000' } });
  const arms: Arm[] = [
    ourArm(bench, fill, ours, { ms: 0, count: 30_000 }),
    ourArm(bench, fill, ours, { ms: 20, count: 30_000 }),
    ourArm(bench, fill, wide, { ms: 100, count: 30_000 }, ', 1,000 in flight'),
    await stockArm(bench, fill, '1', { ms: 20, count: 120 }),
    await stockArm(bench, fill, '8', { ms: 20, count: 800 }),
    await stockArm(bench, fill, '8', { ms: 0, count: 1_200 }),
    ...(await queueArms(bench)),
  ];
  return {
    name: 'deliver',
    title: 'Deliver: from the backlog to the last row',
    unit: 'delivered',
    how:
      'The notification service alone, a backlog in 8 partitions (or in the queue), a provider that is a timer; from the first that is taken in until each ' +
      'notification has its row of result. Bongsu’s rows include the facts for its outbox; order per recipient is kept by ' +
      'Bongsu and the stock pipeline and checked, BullMQ, graphile-worker and pg-boss promise none with this concurrency.',
    arms,
    end: async () => {
      await Promise.all([ours.end(), wide.end(), fill.end()]);
    },
  };
}

function ourArm(bench: Bench, fill: Program, pipeline: Pipeline, { ms, count }: Size, more = ''): Arm {
  const round = (share: number): Promise<Sample> => {
    const size = Math.ceil(count * share * bench.size);
    return deliverBacklog(bench, pipeline, fill, { providerMs: ms, request: request(pipeline.prefix, size) });
  };
  return { name: `bongsu-${ms}`, title: `Bongsu, provider ${ms} ms${more}`, round };
}

/** Numbers go on from round to round, for the order by recipient to show. */
const request = (prefix: string, count: number): FillRequest => {
  const first = next;
  next += count;
  return { prefix, count, first, keys: 'uniform', bodyBytes: 66 };
};
let next = 0;

async function stockArm(bench: Bench, fill: Program, concurrency: string, { ms, count }: Size): Promise<Arm> {
  const name = `nest${concurrency === '1' ? '' : `-${concurrency}`}-${ms}`;
  const schema = name.replaceAll('-', '_');
  const prefix = `${name}.`;
  await bench.topics.create([prefix + REQUESTS, `${prefix}events`], 8);
  await bench.database.query(`CREATE SCHEMA ${schema}`);
  const consumer = await startProgram('nest/consumer', {
    KAFKA_BROKERS: bench.stack.kafkaBrokers,
    TOPIC: prefix + REQUESTS,
    EVENTS_TOPIC: `${prefix}events`,
    DATABASE_URL: bench.armsUrl,
    SCHEMA: schema,
    MODE: 'pipeline',
    CONCURRENCY: concurrency,
  });
  const round = async (share: number): Promise<Sample> => {
    const size = Math.ceil(count * share * bench.size);
    await consumer.ask({ do: 'pause', count: size, ms }, 'paused');
    const ids = await fill.ask<string[]>(request(prefix, size), 'filled');
    const { done } = await consumer.begin<{ disorder: number }>({ do: 'resume' });
    const { result, seconds, cpu } = await measured(bench, { consumer: consumer.pid }, () => done);
    if (result.disorder > 0) throw new GateError(`${result.disorder} notifications were out of order`);
    const { rows } = await bench.database.query<{ id: string }>(
      `SELECT id FROM ${schema}.notifications WHERE status = 'delivered' AND id = ANY($1)`,
      [ids],
    );
    compareIds(
      name,
      ids,
      rows.map(({ id }) => id),
    );
    return { count: size, seconds, cpu };
  };
  const at = concurrency === '1' ? 'one after the other' : `${concurrency} partitions at once`;
  return { name, title: `Stock Nest, ${at}, provider ${ms} ms`, round, end: () => consumer.end() };
}

const QUEUE_ROUND = 15_000;

async function queueArms(bench: Bench): Promise<Arm[]> {
  const redis = redisIsThere() ? await startRedis() : undefined;
  const queues = [
    { name: 'bullmq', title: 'BullMQ on Redis (AOF every second)' },
    { name: 'graphile', title: 'graphile-worker, batched' },
    { name: 'pg-boss', title: 'pg-boss, 4 × 500' },
  ];
  const arms: Arm[] = [];
  for (const { name, title } of queues) {
    const described = (ms: number): [string, string] => [`${name}-${ms}`, `${title}, provider ${ms} ms`];
    if (name === 'bullmq' && !redis) {
      for (const ms of [0, 20]) arms.push(missingArm(...described(ms), 'redis-server is not installed'));
      continue;
    }
    // PostgreSQL keeps names that begin with pg_ to itself.
    const schema = name.replace('pg-', '');
    const program = await startProgram(`queues/${name === 'graphile' ? 'graphile-worker' : name}`, {
      DATABASE_URL: bench.armsUrl,
      SCHEMA: schema,
      REDIS_PORT: String(redis?.port ?? 0),
    });
    const pids = { worker: program.pid, ...(name === 'bullmq' && redis ? { redis: redis.pid } : {}) };
    for (const ms of [0, 20]) {
      const [armName, armTitle] = described(ms);
      const round = (share: number): Promise<Sample> => queueRound(bench, program, { pids, schema, ms }, share);
      const end = async (): Promise<void> => {
        await program.end();
        if (name === 'bullmq') await redis?.end();
      };
      arms.push({ name: armName, title: armTitle, round, ...(ms === 20 ? { end } : {}) });
    }
  }
  return arms;
}

async function queueRound(
  bench: Bench,
  program: Program,
  { pids, schema, ms }: { pids: Record<string, number>; schema: string; ms: number },
  share: number,
): Promise<Sample> {
  const count = Math.ceil(QUEUE_ROUND * share * bench.size);
  const ids = await program.ask<string[]>({ do: 'fill', count, ms }, 'filled');
  const { done } = await program.begin({ do: 'go' });
  const { seconds, cpu } = await measured(bench, pids, () => done);
  const { rows } = await bench.database.query<{ id: string }>(`SELECT id FROM ${schema}.results WHERE id = ANY($1)`, [
    ids,
  ]);
  compareIds(
    schema,
    ids,
    rows.map(({ id }) => id),
  );
  return { count, seconds, cpu };
}
