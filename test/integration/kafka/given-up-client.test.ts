import { Controller } from '@nestjs/common';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { KafkaProxy, waitUntil } from '@bongsu/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Bench, brokers, numbered, testTopic, type Numbered } from './harness.js';

const topic = testTopic('given-up.v1', 4);
const group = 'bongsu.notification';
let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start([topic]);
});
afterEach(() => bench.end());

it('hands out nothing more of what a client had fetched that was given up for a new one', async () => {
  const proxy = await KafkaProxy.start({ broker: brokers() });
  const { promise: hanging, resolve: goOn } = Promise.withResolvers<void>();
  let ended = false;
  const taken: number[] = [];
  @Controller()
  class Events {
    @OnBatch(topic)
    async take({ records }: EventBatch<Numbered>): Promise<void> {
      const isFirst = taken.length === 0;
      taken.push(...records.map(({ event }) => event.data.n));
      if (!isFirst) return;
      await hanging;
      ended = true;
    }
  }
  try {
    const producer = await bench.producer();
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    await producer.sendAll(numbers.map((n) => numbered(topic, `key-${n}`, n)));
    const settings = bench.settings({ KAFKA_BROKERS: proxy.bootstrap });
    const strategy = bench.strategy(producer, { group, settings, partitionsConcurrently: 1 });
    await bench.app(strategy, [Events]);
    await waitUntil('a handler has some of it', () => taken.length > 0);
    // The others of the same fetch wait for that handler.
    expect(taken.length).toBeLessThan(40);
    proxy.down = true;
    proxy.cut();
    await waitUntil('it begins again', () => bench.log.lines.some(({ msg }) => msg.includes('a new client')), {
      timeoutMs: 30_000,
    });
    proxy.down = false;
    await waitUntil('all is done by the new client', async () => (await bench.committed(group)) === 40n, {
      timeoutMs: 30_000,
    });
    const before = taken.length;
    goOn();
    await waitUntil('the handler has ended', () => ended);
    await producer.send(numbered(topic, 'last', 40));
    await waitUntil('the last one is there', () => taken.includes(40));
    expect(taken.slice(before)).toEqual([40]);
  } finally {
    goOn();
    await proxy.stop();
  }
}, 90_000);
