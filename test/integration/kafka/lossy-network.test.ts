import { KafkaProxy } from '@bongsu/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, brokers, numbered, testTopic } from './harness.js';

const topic = testTopic('lossy.v1', 8);
const CALLERS = 64;
const RECORDS = 6_000;
let bench: Bench;
let proxy: KafkaProxy;

beforeEach(async () => {
  bench = await Bench.start([topic]);
  proxy = await KafkaProxy.start({ broker: brokers() });
});
afterEach(async () => {
  await bench.end();
  await proxy.stop();
});

/** A small linear congruential generator, so that a failing run can be replayed. */
function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;
}

describe.each([11, 12, 13])('with produce requests and responses lost at random (seed %i)', (seed) => {
  it('every acknowledged record is in the log once, at its offset, each key in order', async () => {
    const producer = await bench.producer({ KAFKA_BROKERS: proxy.bootstrap }, { deliveryTimeoutMs: 30_000 });
    const chance = random(seed);
    let lost = 0;
    proxy.fate = ({ isProduce }) => {
      if (!isProduce || chance() > 0.1) return 'pass';
      lost++;
      return chance() < 0.7 ? 'lose-response' : 'lose-request';
    };
    const acknowledged = new Map<number, string>();
    let next = 0;
    await Promise.all(
      Array.from({ length: CALLERS }, async () => {
        for (let n = next++; n < RECORDS; n = next++) {
          const { partition, offset } = await producer.send(numbered(topic, `key-${n % 97}`, n));
          acknowledged.set(n, `${partition}/${offset}`);
        }
      }),
    );
    expect(lost).toBeGreaterThan(5);
    proxy.fate = () => 'pass';
    const records = await bench.read(topic.name);
    const log = records.map((record) => ({
      n: (JSON.parse(record.value!.toString()) as { n: number }).n,
      at: `${record.partition}/${record.offset}`,
      key: record.key!.toString(),
    }));
    expect(log).toHaveLength(RECORDS);
    for (const { n, at } of log) expect(acknowledged.get(n)).toBe(at);
    for (const ofKey of Map.groupBy(log, ({ key }) => key).values())
      expect(ofKey.map(({ n }) => n)).toEqual(ofKey.map(({ n }) => n).toSorted((a, b) => a - b));
  });
});
