/** 64 callers who each wait for their record before they send the next: by the system's producer, or by kafkajs alone. */
import { TOPICS } from '@bongsu/contracts';
import { KafkaProducer } from '@bongsu/kafka';
import { createLogger } from '@bongsu/observability';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { kafkaSettings } from './kafka-settings.js';

const CALLERS = 64;
const BODY = Buffer.alloc(Number(process.env['BODY_BYTES'] ?? 350), 'x');
const headers = { 'content-type': 'application/json' };

type Send = (key: string, value: Buffer) => Promise<unknown>;

async function ourSend(): Promise<Send> {
  const logger = createLogger('bench-produce', 'error');
  const producer = new KafkaProducer({ settings: kafkaSettings(), clientId: 'bench-produce', logger });
  await producer.connect();
  const topic = TOPICS.requests.normal.name;
  return (key, value) => producer.send({ topic, key, value, headers });
}

async function kafkajsSend(): Promise<Send> {
  const brokers = (process.env['KAFKA_BROKERS'] ?? '').split(',');
  const kafka = new Kafka({ brokers, clientId: 'bench-kafkajs', logLevel: logLevel.ERROR });
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  const topic = (process.env['KAFKA_TOPIC_PREFIX'] ?? '') + TOPICS.requests.normal.name;
  return (key, value) => producer.send({ topic, acks: -1, messages: [{ key, value, headers }] });
}

const send = process.env['MODE'] === 'kafkajs' ? await kafkajsSend() : await ourSend();
let next = 0;

async function produce(seconds: number): Promise<object> {
  const latencies: number[] = [];
  const first = next;
  const began = performance.now();
  const until = began + seconds * 1000;
  const caller = async (): Promise<void> => {
    for (let now = performance.now(); now < until;) {
      const n = next++;
      const value = Buffer.from(BODY);
      value.write(String(n).padStart(12, '0'), 'latin1');
      await send(`user-${n % 10_000}`, value);
      const then = performance.now();
      latencies.push(then - now);
      now = then;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const took = (performance.now() - began) / 1000;
  return { first, count: next - first, seconds: took, latencies: Float64Array.from(latencies).sort() };
}

process.on('message', ({ seconds }: { seconds: number }) => {
  void produce(seconds).then((produced) => process.send!({ produced }));
});
process.send!({ ready: true });
