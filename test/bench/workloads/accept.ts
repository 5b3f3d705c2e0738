import { join } from 'node:path';
import { mainOf } from '../../../tools/build/build-apps.ts';
import { freePorts } from '../../../tools/stack/ports.ts';
import { GateError, type Arm, type Sample, type Workload } from '../arm.ts';
import { applyTopics, measured, startLoad, type Bench } from '../bench.ts';
import type { LoadOptions, LoadResult } from '../load.ts';
import { requestBodies } from '../notifications.ts';
import { programFile, startProgram, type Program } from '../programs.ts';
import { quantile } from '../quantile.ts';
import { KEY, start } from '../services.ts';
import type { IdReader } from '../topics.ts';

const SECONDS = 3;
export const CONNECTIONS = 64;
const STOCK_TOPIC = 'stock.requests';
const REQUESTS = 'notification.requests.normal.v1';

/** HTTP to 202. */
export async function accept(bench: Bench): Promise<Workload> {
  const { stack, topics } = bench;
  const load = await startLoad();
  for (const prefix of ['shipped.', 'alone.']) applyTopics(stack, { KAFKA_TOPIC_PREFIX: prefix });
  await topics.create([STOCK_TOPIC], 8);
  // Nobody listens there: the api then only accepts, which needs Kafka alone.
  const [nowhere, stockPort] = (await freePorts(2)) as [number, number];
  const away = { DATABASE_URL: `postgres://bongsu_api:bongsu_api@127.0.0.1:${nowhere}/bongsu` };
  const shipped = await start('api', stack, { KAFKA_TOPIC_PREFIX: 'shipped.' });
  const alone = await start('api', stack, { KAFKA_TOPIC_PREFIX: 'alone.', ...away });
  const silent = await start('api', stack, { KAFKA_TOPIC_PREFIX: 'alone.', ...away, ...withoutProducing() });
  const stock = await startProgram('nest/api', {
    KAFKA_BROKERS: stack.kafkaBrokers,
    PORT: String(stockPort),
    TOPIC: STOCK_TOPIC,
  });
  const ourId = ({ headers }: { headers?: object | undefined }): string =>
    String((headers as Record<string, unknown> | undefined)?.['ce_id']);
  const stockId = ({ value }: { value: Buffer | null }): string => (JSON.parse(String(value)) as { id: string }).id;
  const arm = (name: string, title: string, target: Omit<Target, 'load'>): Arm => ({
    name,
    title,
    round: (share) => round(bench, { ...target, load }, share),
    end: async () => target.reader?.reader.close(),
  });
  const arms: Arm[] = [
    arm('bongsu', 'Bongsu’s api as shipped, with its read model following', {
      port: shipped.port,
      pids: { api: shipped.child.pid! },
      reader: { topic: `shipped.${REQUESTS}`, reader: topics.reader(`shipped.${REQUESTS}`, ourId) },
    }),
    arm('bongsu-accept-only', 'Bongsu’s api, accepting alone (its database away)', {
      port: alone.port,
      pids: { api: alone.child.pid! },
      reader: { topic: `alone.${REQUESTS}`, reader: topics.reader(`alone.${REQUESTS}`, ourId) },
    }),
    arm('bongsu-silent', 'The same, answering without producing', {
      port: silent.port,
      pids: { api: silent.child.pid! },
    }),
    arm('nest', 'Stock Nest: Express, class-validator, ClientKafka.emit', {
      port: stockPort,
      pids: { api: stock.pid },
      reader: { topic: STOCK_TOPIC, reader: topics.reader(STOCK_TOPIC, stockId) },
    }),
  ];
  return {
    name: 'accept',
    title: 'Accept: HTTP to 202',
    unit: 'accepted',
    how: `${CONNECTIONS} connections, closed loop, ${SECONDS} s a round; records of about 350 bytes for 10,000 recipients, acks from all replicas.`,
    arms,
    end: async () => {
      for (const { child } of [shipped, alone, silent]) child.kill('SIGKILL');
      await Promise.all([load.end(), stock.end()]);
    },
  };
}

interface Target {
  readonly load: Program;
  readonly port: number;
  readonly pids: Readonly<Record<string, number>>;
  /** Left out for the arm that produces nothing. */
  readonly reader?: { readonly topic: string; readonly reader: IdReader };
}

async function round(bench: Bench, { load, port, pids, reader }: Target, share: number): Promise<Sample> {
  const before = reader ? await bench.topics.written(reader.topic) : 0;
  const options: LoadOptions = {
    port,
    key: KEY,
    connections: CONNECTIONS,
    seconds: SECONDS * share * bench.size,
    bodies,
    first: 0,
  };
  const { result, cpu } = await measured(bench, pids, () => load.ask<LoadResult>(options, 'loaded'));
  const { ids, refused, refusal, seconds, latencies } = result;
  if (refused > 0) throw new GateError(`${refused} answers were no 202, the first: ${refusal}`);
  if (reader) await reader.reader.check(ids, (await bench.topics.written(reader.topic)) - before);
  else if (new Set(ids).size !== ids.length) throw new GateError('an id was given twice');
  return { count: ids.length, seconds, cpu, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
}

const bodies = requestBodies();

/** How an api is started that answers without producing. */
function withoutProducing(): Record<string, string> {
  const library = join(mainOf('api'), '..', '..', '..', '..', 'libs', 'kafka', 'src', 'index.js');
  return { NODE_OPTIONS: `--import=${programFile('without-producing')}`, BENCH_KAFKA_LIBRARY: library };
}
