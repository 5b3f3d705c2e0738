import { GateError, type Arm, type Sample, type Workload } from '../arm.ts';
import { measured, type Bench } from '../bench.ts';
import { startProgram, type Program } from '../programs.ts';
import { compareIds } from '../topics.ts';

const REQUESTS = 'notification.requests.normal.v1';

interface Kind {
  readonly name: string;
  readonly title: string;
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly count: number;
}

const KINDS: readonly Kind[] = [
  { name: 'bongsu', title: 'Bongsu: @OnBatch, one unnest insert per batch', program: 'intake', env: {}, count: 60_000 },
  {
    name: 'nest-save',
    title: 'Stock Nest: @EventPattern, repository.save',
    program: 'nest/consumer',
    env: { MODE: 'save', CONCURRENCY: '1' },
    count: 3_000,
  },
  {
    name: 'nest-insert',
    title: 'The same with repository.insert',
    program: 'nest/consumer',
    env: { MODE: 'insert', CONCURRENCY: '1' },
    count: 3_000,
  },
  {
    name: 'nest-insert-8',
    title: 'The same, 8 partitions at once',
    program: 'nest/consumer',
    env: { MODE: 'insert', CONCURRENCY: '8' },
    count: 12_000,
  },
];

/** From Kafka to a row per record. */
export async function consume(bench: Bench): Promise<Workload> {
  const fill = await startProgram('fill', { KAFKA_BROKERS: bench.stack.kafkaBrokers });
  const arms: Arm[] = [];
  for (const kind of KINDS) arms.push(await armOf(bench, kind, fill));
  return {
    name: 'consume',
    title: 'Consume: from Kafka to a row per record',
    unit: 'rows',
    how: 'A backlog of records in 8 partitions, until all are rows of PostgreSQL; the offsets are committed as the library does it.',
    arms,
    end: () => fill.end(),
  };
}

async function armOf(bench: Bench, { name, title, program, env, count }: Kind, fill: Program): Promise<Arm> {
  const prefix = `${name}.`;
  const schema = name.replaceAll('-', '_');
  await bench.topics.create([prefix + REQUESTS], 8);
  await bench.database.query(`CREATE SCHEMA ${schema}`);
  const consumer = await startProgram(program, {
    KAFKA_BROKERS: bench.stack.kafkaBrokers,
    KAFKA_TOPIC_PREFIX: prefix,
    TOPIC: prefix + REQUESTS,
    DATABASE_URL: bench.armsUrl,
    SCHEMA: schema,
    ...env,
  });
  let first = 0;
  const round = async (share: number): Promise<Sample> => {
    const size = Math.ceil(count * share * bench.size);
    await consumer.ask({ do: 'pause', count: size }, 'paused');
    const ids = await fill.ask<string[]>({ prefix, count: size, first, keys: 'uniform', bodyBytes: 66 }, 'filled');
    first += size;
    const { done } = await consumer.begin<{ disorder: number }>({ do: 'resume' });
    const { result, seconds, cpu } = await measured(bench, { consumer: consumer.pid }, () => done);
    if (result.disorder > 0) throw new GateError(`${result.disorder} records came before an earlier one of their key`);
    const { rows } = await bench.database.query<{ id: string }>(
      `SELECT id FROM ${schema}.notifications WHERE id >= $1 AND id = ANY($2)`,
      [ids.reduce((a, b) => (a < b ? a : b)), ids],
    );
    compareIds(
      title,
      ids,
      rows.map(({ id }) => id),
    );
    return { count: size, seconds, cpu };
  };
  return { name, title, round, end: () => consumer.end() };
}
