import { Controller } from '@nestjs/common';
import { OnBatch, type EventBatch, type RawBatch } from '@bongsu/kafka';
import { waitUntil } from '@bongsu/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, numbered, testTopic, type Numbered } from './harness.js';

const topic = testTopic('numbers.v1');
let bench: Bench;
afterEach(() => bench.end());

describe('consuming', () => {
  it('gives both groups every record, each key in order', async () => {
    bench = await Bench.start([topic]);
    const producer = await bench.producer();
    const events: [string, number, number][] = [];
    const bytes: string[] = [];
    @Controller()
    class Events {
      @OnBatch(topic)
      async take(batch: EventBatch<Numbered>): Promise<void> {
        for (const { key, event, raw } of batch.records) events.push([key, event.data.n, raw.partition]);
      }
    }
    @Controller()
    class Bytes {
      @OnBatch(topic, { as: 'bytes' })
      async take(batch: RawBatch): Promise<void> {
        for (const record of batch.records) bytes.push(record.value!.toString());
      }
    }
    await bench.app(bench.strategy(producer, { group: 'bongsu.notification' }), [Events]);
    await bench.app(bench.strategy(producer, { group: 'bongsu.audit' }), [Bytes]);
    const sent = Array.from({ length: 2_000 }, (_, n) => numbered(topic, `key-${n % 50}`, n));
    const metadata = await Promise.all(sent.map((record) => producer.send(record)));
    await waitUntil('both groups have all', () => events.length >= 2_000 && bytes.length >= 2_000);
    expect(events).toHaveLength(2_000);
    expect(bytes).toHaveLength(2_000);
    for (let k = 0; k < 50; k++) {
      const ofKey = events.filter(([key]) => key === `key-${k}`);
      expect(ofKey.map(([, n]) => n)).toEqual(Array.from({ length: 40 }, (_, i) => k + 50 * i));
      expect(new Set(ofKey.map(([, , partition]) => partition)).size).toBe(1);
      expect(ofKey[0]![2]).toBe(metadata[k]!.partition);
    }
    expect(new Set(metadata.map((each) => `${each.partition}/${each.offset}`)).size).toBe(2_000);
  });
});
