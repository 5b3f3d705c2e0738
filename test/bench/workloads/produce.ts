import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stockTool } from '../../../tools/kafka/stock-tools.ts';
import { resolveToolJars } from '../../../tools/stack/jars.ts';
import { javaCommand } from '../../../tools/stack/java.ts';
import { GateError, missingArm, type Arm, type Sample, type Workload } from '../arm.ts';
import { measured, type Bench } from '../bench.ts';
import { startProgram } from '../programs.ts';
import { quantile } from '../quantile.ts';
import { REQUESTS } from '../pipeline.ts';

const SECONDS = 2;
const BYTES = 350;
const JAVA_RECORDS = 400_000;
const LOG4J = join(import.meta.dirname, '..', '..', '..', 'infra', 'kafka', 'tools-log4j.properties');

/** Records to Kafka, without HTTP. */
export async function produce(bench: Bench): Promise<Workload> {
  return {
    name: 'produce',
    title: 'Produce: records to Kafka, acks from all',
    unit: 'records',
    how:
      `${BYTES} bytes, 8 partitions. 64 callers, each of which waits for its record before it sends the next; Kafka’s own tool ` +
      'has no callers that wait, it is the broker’s ceiling.',
    arms: [
      await callers(bench, 'bongsu', 'Bongsu’s producer: what waits while a send is in flight is the next'),
      await callers(bench, 'kafkajs', 'kafkajs: one send per message'),
      await javaTool(bench),
    ],
  };
}

async function callers(bench: Bench, name: string, title: string): Promise<Arm> {
  const prefix = `produce-${name}.`;
  const topic = prefix + REQUESTS;
  await bench.topics.create([topic], 8);
  const program = await startProgram('produce', {
    KAFKA_BROKERS: bench.stack.kafkaBrokers,
    KAFKA_TOPIC_PREFIX: prefix,
    MODE: name,
    BODY_BYTES: String(BYTES),
  });
  const reader = bench.topics.reader(topic, ({ value }) => value!.toString('latin1', 0, 12));
  const round = async (share: number): Promise<Sample> => {
    const before = await bench.topics.written(topic);
    const { result, cpu } = await measured(bench, { program: program.pid }, () =>
      program.ask<{ first: number; count: number; seconds: number; latencies: Float64Array }>(
        { seconds: SECONDS * share * bench.size },
        'produced',
      ),
    );
    const { first, count, seconds, latencies } = result;
    const ids = Array.from({ length: count }, (_, i) => String(first + i).padStart(12, '0'));
    await reader.check(ids, (await bench.topics.written(topic)) - before);
    return { count, seconds, cpu, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
  };
  const end = async (): Promise<void> => {
    await reader.close();
    await program.end();
  };
  return { name, title, round, end };
}

/** Kafka's own kafka-producer-perf-test. Its CPU is not told: most of a short run is Java starting up. */
async function javaTool(bench: Bench): Promise<Arm> {
  const name = 'java';
  const title = 'Kafka’s kafka-producer-perf-test (Java)';
  const classpath = await resolveToolJars(bench.say).catch(() => undefined);
  if (classpath === undefined) return missingArm(name, title, 'Kafka’s tools could not be fetched');
  const topic = 'produce-java';
  await bench.topics.create([topic], 8);
  const round = async (share: number): Promise<Sample> => {
    const count = Math.ceil(JAVA_RECORDS * share * bench.size);
    const args = [
      'kafka-producer-perf-test',
      '--topic',
      topic,
      '--num-records',
      String(count),
      '--record-size',
      String(BYTES),
    ];
    const settings = [
      '--throughput',
      '-1',
      '--producer-props',
      `bootstrap.servers=${bench.stack.kafkaBrokers}`,
      'acks=all',
    ];
    const before = await bench.topics.written(topic);
    const text = await run(classpath, [...args, ...settings]);
    const told = /(\d+) records sent, ([\d.]+) records\/sec.*?(\d+) ms 50th.*?(\d+) ms 99th/s.exec(text);
    const written = (await bench.topics.written(topic)) - before;
    if (!told || written !== count) throw new GateError(`${written} of ${count} records are in Kafka\n${text}`);
    const perSecond = Number(told[2]);
    return { count, seconds: count / perSecond, cpu: {}, p50: Number(told[3]), p99: Number(told[4]) };
  };
  return { name, title, noCpu: true, round };
}

function run(classpath: string, commandLine: readonly string[]): Promise<string> {
  const tool = stockTool(commandLine, '')!;
  const flags = ['-Xmx256m', `-Dlog4j.configuration=${pathToFileURL(LOG4J).href}`, '-cp', classpath, tool.mainClass];
  const child = spawn(javaCommand(), [...flags, ...tool.args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(text));
  });
}
