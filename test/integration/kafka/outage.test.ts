import {
  endStack,
  startDisposableStack,
  startPart,
  stopPart,
  type DisposableStack,
} from '../../../tools/stack/disposable.ts';
import { Controller } from '@nestjs/common';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { waitUntil } from '@bongsu/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Bench, numbered, testTopic, type Numbered } from './harness.js';

const topic = testTopic('outage.v1');
let stack: DisposableStack;
let bench: Bench;
const env = () => ({ KAFKA_BROKERS: stack.kafkaBrokers });

// A broker of its own: the shared one must not go away under the other tests.
beforeAll(async () => {
  stack = await startDisposableStack();
  await stopPart(stack, 'postgres');
});
afterAll(() => endStack(stack.home));
afterEach(() => bench.end());

const TIMEOUT_MS = 1_000;

async function refusal(sending: Promise<unknown>): Promise<{ code: string; afterMs: number }> {
  const started = performance.now();
  try {
    await sending;
  } catch (error) {
    return { code: (error as { code: string }).code, afterMs: performance.now() - started };
  }
  throw new Error('The record was acknowledged');
}

describe.each(['SIGSTOP', 'SIGKILL'] as const)('a broker that gets %s', (signal) => {
  const wake = () => (signal === 'SIGSTOP' ? stopPart(stack, 'kafka', 'SIGCONT') : startPart(stack, 'kafka'));

  it('makes sends fail in time, then at once, and by itself they succeed again', async () => {
    bench = await Bench.start([topic], env());
    const producer = await bench.producer({}, { deliveryTimeoutMs: TIMEOUT_MS });
    await producer.send(numbered(topic, 'k', 0));
    await stopPart(stack, 'kafka', signal);
    let woken = 0;
    try {
      const [inFlight, waiting] = await Promise.all([
        refusal(producer.send(numbered(topic, 'k', 1))),
        new Promise((resolve) => setTimeout(resolve, 100)).then(() => refusal(producer.send(numbered(topic, 'k', 2)))),
      ]);
      expect(inFlight.code).toBe('kafka_unavailable');
      expect(waiting.code).toBe('kafka_unavailable');
      expect(inFlight.afterMs).toBeLessThan(TIMEOUT_MS + 500);
      expect(waiting.afterMs).toBeLessThan(TIMEOUT_MS + 500);
      expect(producer.available).toBe(false);
      expect((await refusal(producer.send(numbered(topic, 'k', 3)))).afterMs).toBeLessThan(20);
    } finally {
      await wake();
      woken = performance.now();
    }
    await waitUntil('the producer is available', () => producer.available, { timeoutMs: 20_000 });
    // kafkajs waits at most 1 s between tries, and once for a connection.
    expect(performance.now() - woken).toBeLessThan(5_000);
    await producer.send(numbered(topic, 'k', 4));
    const numbers = (await bench.read(topic.name)).map((record) => JSON.parse(record.value!.toString()) as Numbered);
    // 1 was in flight: unknown to its caller, and in fact sent. 2 waited and was dropped; 3 was refused.
    expect(numbers).toEqual([{ n: 0 }, { n: 1 }, { n: 4 }]);
    expect(bench.log.lines.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/does not acknowledge/),
        expect.stringMatching(/acknowledges again/),
      ]),
    );
  });
});

describe('an outage', () => {
  it('is noticed without any traffic, and its return too', async () => {
    bench = await Bench.start([topic], env());
    const producer = await bench.producer({}, { deliveryTimeoutMs: TIMEOUT_MS });
    await producer.send(numbered(topic, 'k', 0));
    await stopPart(stack, 'kafka', 'SIGKILL');
    try {
      await waitUntil('the producer is unavailable', () => !producer.available, { timeoutMs: 20_000 });
    } finally {
      await startPart(stack, 'kafka');
    }
    await waitUntil('the producer is available', () => producer.available, { timeoutMs: 20_000 });
    await expect(producer.send(numbered(topic, 'k', 1))).resolves.toMatchObject({ topic: topic.name });
  });

  it('makes a consumer wait and go on where it was', async () => {
    bench = await Bench.start([topic], env());
    const producer = await bench.producer();
    const seen: number[] = [];
    @Controller()
    class Events {
      @OnBatch(topic)
      async take({ records }: EventBatch<Numbered>): Promise<void> {
        seen.push(...records.map(({ event }) => event.data.n));
      }
    }
    const strategy = bench.strategy(producer, { group: 'bongsu.notification' });
    await bench.app(strategy, [Events]);
    await producer.send(numbered(topic, 'k', 0));
    await waitUntil('the first record', () => seen.length === 1);
    expect(strategy.isHealthy()).toBe(true);
    await stopPart(stack, 'kafka', 'SIGSTOP');
    try {
      await waitUntil('it is not healthy any more', () => !strategy.isHealthy(), { timeoutMs: 30_000 });
    } finally {
      await stopPart(stack, 'kafka', 'SIGCONT');
    }
    await waitUntil('the producer is available', () => producer.available, { timeoutMs: 20_000 });
    await producer.send(numbered(topic, 'k', 1));
    await waitUntil('the second record', () => seen.includes(1), { timeoutMs: 30_000 });
    await waitUntil('it is healthy again', () => strategy.isHealthy(), { timeoutMs: 30_000 });
    expect(seen.filter((n) => n === 1)).toHaveLength(1);
  });
});

describe('a start without Kafka', () => {
  it('waits for it: the producer is not available, the consumer not healthy, and both come to life', async () => {
    bench = await Bench.start([topic], env());
    await stopPart(stack, 'kafka', 'SIGKILL');
    const seen: number[] = [];
    @Controller()
    class Events {
      @OnBatch(topic)
      async take({ records }: EventBatch<Numbered>): Promise<void> {
        seen.push(...records.map(({ event }) => event.data.n));
      }
    }
    const producer = await bench.producer({}, { deliveryTimeoutMs: TIMEOUT_MS });
    const strategy = bench.strategy(producer, { group: 'bongsu.notification' });
    try {
      await bench.app(strategy, [Events]);
      expect((await refusal(producer.send(numbered(topic, 'k', 1)))).code).toBe('kafka_unavailable');
      expect(producer.available).toBe(false);
      expect(strategy.isHealthy()).toBe(false);
    } finally {
      await startPart(stack, 'kafka');
    }
    await waitUntil('the producer is available', () => producer.available, { timeoutMs: 20_000 });
    await waitUntil('the consumer is healthy', () => strategy.isHealthy(), { timeoutMs: 20_000 });
    await producer.send(numbered(topic, 'k', 2));
    await waitUntil('the record', () => seen.includes(2));
  });
});
