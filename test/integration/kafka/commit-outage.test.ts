import {
  endStack,
  startDisposableStack,
  startPart,
  stopPart,
  type DisposableStack,
} from '../../../tools/stack/disposable.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { waitUntil } from '@bongsu/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Bench, numbered, testTopic, type Numbered } from './harness.js';

const topic = testTopic('restart.v1', 2);
const SESSION_MS = 6_000;
let stack: DisposableStack;
let bench: Bench;

// A broker of its own: the shared one must not go away under the other tests.
beforeAll(async () => {
  stack = await startDisposableStack();
  await stopPart(stack, 'postgres');
});
afterAll(() => endStack(stack.home));
afterEach(() => bench.end());

function controller(sideBySide: boolean, take: (batch: EventBatch<Numbered>) => Promise<void>) {
  @Controller()
  class Events {
    @OnBatch(topic, sideBySide ? { sideBySide: 2 } : {})
    take(batch: EventBatch<Numbered>): Promise<void> {
      return take(batch);
    }
  }
  return Events;
}

describe.each([false, true])('a broker that dies while a batch is handled (side by side: %s)', (sideBySide) => {
  // The broker that comes back knows the members as they were: it refuses nothing, so the member itself must join again.
  it('and is back after longer than the session: the group goes on with what was not committed', async () => {
    bench = await Bench.start([topic], { KAFKA_BROKERS: stack.kafkaBrokers });
    const producer = await bench.producer();
    const seen: number[] = [];
    const { promise: hanging, resolve: goOn } = Promise.withResolvers<void>();
    const take = async ({ records }: EventBatch<Numbered>): Promise<void> => {
      seen.push(...records.map(({ event }) => event.data.n));
      await hanging;
    };
    await producer.sendAll(Array.from({ length: 200 }, (_, n) => numbered(topic, 'k', n)));
    const strategy = bench.strategy(producer, { group: 'bongsu.notification', sessionTimeoutMs: SESSION_MS });
    await bench.app(strategy, [controller(sideBySide, take)]);
    await waitUntil('it is handled', () => seen.length > 0);
    await stopPart(stack, 'kafka', 'SIGKILL');
    try {
      goOn();
      await sleep(SESSION_MS + 2_000);
    } finally {
      await startPart(stack, 'kafka');
    }
    await waitUntil('the producer is available', () => producer.available, { timeoutMs: 20_000 });
    await producer.send(numbered(topic, 'k', 200));
    await waitUntil('what came after', () => seen.includes(200), { timeoutMs: 40_000 });
    expect(new Set(seen).size).toBe(201);
  }, 120_000);
});
