import { setTimeout as sleep } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import { OnBatch, type EventBatch, type KafkaBatchStrategy } from '@bongsu/kafka';
import { waitUntil } from '@bongsu/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Away, Bench, numbered, testTopic, type Numbered } from './harness.js';

const bulk = testTopic('bulk.v1', 8);
const urgent = testTopic('urgent.v1', 8);
const group = 'bongsu.notification';
let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start([bulk, urgent]);
});
afterEach(() => bench.end());

type Take = (batch: EventBatch<Numbered>) => Promise<void> | void;

function lanes(onBulk: Take, onUrgent: Take = () => {}) {
  @Controller()
  class Lanes {
    @OnBatch(bulk, { sideBySide: 2 })
    bulk(batch: EventBatch<Numbered>): Promise<void> | void {
      return onBulk(batch);
    }

    @OnBatch(urgent)
    urgent(batch: EventBatch<Numbered>): Promise<void> | void {
      return onUrgent(batch);
    }
  }
  return Lanes;
}

const numbersOf = ({ records }: EventBatch<Numbered>): number[] => records.map(({ event }) => event.data.n);

async function backlog(count: number): Promise<void> {
  const producer = await bench.producer();
  const records = Array.from({ length: count }, (_, n) => numbered(bulk, `key-${n % 80}`, n));
  await Promise.all(records.map((record) => producer.send(record)));
}

const join = async (controller: ReturnType<typeof lanes>): Promise<KafkaBatchStrategy> => {
  const strategy = bench.strategy(await bench.producer(), { group, maxRecords: 200 });
  await bench.app(strategy, [controller]);
  return strategy;
};

it('brings records of one topic while handlers of another hang', async () => {
  await backlog(8_000);
  const { promise: hanging, resolve: goOn } = Promise.withResolvers<void>();
  const taken: number[] = [];
  const arrived: number[] = [];
  let [running, most] = [0, 0];
  const onBulk: Take = async (batch) => {
    most = Math.max(most, ++running);
    await hanging;
    running--;
    taken.push(...numbersOf(batch));
  };
  await join(lanes(onBulk, (batch) => void arrived.push(...numbersOf(batch))));
  await waitUntil('both places are taken', () => running === 2);
  const producer = await bench.producer();
  for (let n = 0; n < 20; n++) {
    const sent = performance.now();
    await producer.send(numbered(urgent, `u${n}`, n));
    await waitUntil('it arrives', () => arrived.length === n + 1, { everyMs: 5 });
    expect(performance.now() - sent).toBeLessThan(2_000);
  }
  expect([most, taken.length]).toEqual([2, 0]);
  goOn();
  await waitUntil('all of the backlog', () => taken.length === 8_000);
  expect(most).toBe(2);
  expect(new Set(taken).size).toBe(8_000);
});

it('keeps each key in order when handlers fail for a while', async () => {
  await backlog(8_000);
  const seen = new Map<string, number[]>();
  let calls = 0;
  const onBulk: Take = async (batch) => {
    await sleep(1);
    if (++calls % 7 === 0) throw new Away('the database is away');
    for (const { key, event } of batch.records) seen.set(key, [...(seen.get(key) ?? []), event.data.n]);
  };
  await join(lanes(onBulk));
  const count = (): number => [...seen.values()].reduce((sum, each) => sum + each.length, 0);
  await waitUntil('all', () => count() >= 8_000, { timeoutMs: 30_000 });
  expect(count()).toBe(8_000);
  for (const [key, numbers] of seen) {
    const first = Number(key.slice('key-'.length));
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, i) => first + 80 * i));
  }
});

it('loses nothing while members come and go, and nobody handles a partition twice at a time', async () => {
  const taken = new Set<number>();
  const busy = new Set<string>();
  const overlaps: string[] = [];
  const member = (name: string) =>
    lanes(async (batch) => {
      const place = `${name}/${batch.partition}`;
      if (busy.has(place)) overlaps.push(place);
      busy.add(place);
      await sleep(5);
      for (const n of numbersOf(batch)) taken.add(n);
      busy.delete(place);
    });
  await join(member('stays'));
  const sending = backlog(20_000);
  for (const name of ['a', 'b', 'c']) {
    const strategy = await join(member(name));
    await sleep(1_500);
    await strategy.close();
  }
  await sending;
  await waitUntil('all', () => taken.size === 20_000, { timeoutMs: 40_000 });
  expect(overlaps).toEqual([]);
}, 90_000);

it('pauses one topic and not the other, and goes on where it was', async () => {
  const [bulkSeen, urgentSeen]: [number[], number[]] = [[], []];
  const strategy = await join(
    lanes(
      (batch) => void bulkSeen.push(...numbersOf(batch)),
      (batch) => void urgentSeen.push(...numbersOf(batch)),
    ),
  );
  const producer = await bench.producer();
  await producer.send(numbered(bulk, 'k', 0));
  await waitUntil('the first', () => bulkSeen.length === 1);
  strategy.pause(bulk);
  await producer.send(numbered(bulk, 'k', 1));
  await producer.send(numbered(urgent, 'k', 2));
  await waitUntil('the urgent one', () => urgentSeen.length === 1);
  await sleep(500);
  expect(bulkSeen).toEqual([0]);
  strategy.resume(bulk);
  await waitUntil('the other', () => bulkSeen.length === 2);
  expect(bulkSeen).toEqual([0, 1]);
});

it('finishes what it is at before it leaves, and leaves the rest to the next', async () => {
  await backlog(4_000);
  const first: number[] = [];
  const started: number[] = [];
  const strategy = await join(
    lanes(async (batch) => {
      started.push(batch.records.length);
      await sleep(100);
      first.push(...numbersOf(batch));
    }),
  );
  await waitUntil('it is at work', () => started.length >= 2);
  await strategy.close();
  expect(first).toHaveLength(started.reduce((sum, count) => sum + count, 0));
  const second: number[] = [];
  await join(lanes((batch) => void second.push(...numbersOf(batch))));
  await waitUntil('the rest', () => new Set([...first, ...second]).size === 4_000);
  // Committed is committed: nothing that the first had finished comes again.
  expect(first.length + second.length).toBe(4_000);
});
