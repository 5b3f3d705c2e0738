import { Controller } from '@nestjs/common';
import { OnBatch, type EventBatch, type RawBatch } from '@bongsu/kafka';
import { registry } from '@bongsu/observability';
import { waitUntil } from '@bongsu/testing';
import kafkajs from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Away, Bench, brokers, numbered, testTopic, type Numbered } from './harness.js';

const topic = testTopic('numbers.v1');
const group = 'bongsu.notification';
let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start([topic]);
});
afterEach(() => bench.end());

type Take = (batch: EventBatch<Numbered>) => Promise<void> | void;

/** A controller that hands its batches to a function. */
function events(take: Take) {
  @Controller()
  class Events {
    @OnBatch(topic)
    take(batch: EventBatch<Numbered>): Promise<void> | void {
      return take(batch);
    }
  }
  return Events;
}
const numbersOf = ({ records }: EventBatch<Numbered>): number[] => records.map(({ event }) => event.data.n);
const deadLetters = () => bench.read(`${topic.name}.${group}.dlt`);

describe('consuming', () => {
  it('gives both groups every record, each key in order', async () => {
    const producer = await bench.producer();
    const seen: [string, number, number][] = [];
    const bytes: string[] = [];
    @Controller()
    class Bytes {
      @OnBatch(topic, { as: 'bytes' })
      async take(batch: RawBatch): Promise<void> {
        for (const record of batch.records) bytes.push(record.value!.toString());
      }
    }
    const take: Take = ({ records }) => {
      for (const { key, event, raw } of records) seen.push([key, event.data.n, raw.partition]);
    };
    await bench.app(bench.strategy(producer, { group }), [events(take)]);
    await bench.app(bench.strategy(producer, { group: 'bongsu.audit' }), [Bytes]);
    const sent = Array.from({ length: 2_000 }, (_, n) => numbered(topic, `key-${n % 50}`, n));
    const metadata = await Promise.all(sent.map((record) => producer.send(record)));
    await waitUntil('both groups have all', () => seen.length >= 2_000 && bytes.length >= 2_000);
    expect(seen).toHaveLength(2_000);
    expect(bytes).toHaveLength(2_000);
    for (let k = 0; k < 50; k++) {
      const ofKey = seen.filter(([key]) => key === `key-${k}`);
      expect(ofKey.map(([, n]) => n)).toEqual(Array.from({ length: 40 }, (_, i) => k + 50 * i));
      expect(new Set(ofKey.map(([, , partition]) => partition))).toEqual(new Set([metadata[k]!.partition]));
    }
    expect(new Set(metadata.map((each) => `${each.partition}/${each.offset}`)).size).toBe(2_000);
  });

  it('hands out at most maxRecords at once', async () => {
    const producer = await bench.producer();
    const sizes: number[] = [];
    await Promise.all(Array.from({ length: 250 }, (_, n) => producer.send(numbered(topic, 'k', n))));
    const take: Take = ({ records }) => void sizes.push(records.length);
    await bench.app(bench.strategy(producer, { group, maxRecords: 100 }), [events(take)]);
    await waitUntil('all', () => sizes.reduce((sum, size) => sum + size, 0) === 250);
    expect(Math.max(...sizes)).toBe(100);
  });

  it('gathers what comes for a while, and keeps nobody waiting who has as much as one fetch may bring', async () => {
    const producer = await bench.producer();
    await producer.sendAll(Array.from({ length: 4_000 }, (_, n) => numbered(topic, 'k', n)));
    const seen: number[] = [];
    const options = { group, gatherMs: 2_000, maxBytesPerPartition: 64 * 1024 } as const;
    await bench.app(bench.strategy(producer, options), [events((batch) => void seen.push(...numbersOf(batch)))]);
    await waitUntil('it has begun', () => seen.length > 0);
    const began = performance.now();
    // More than 15 fetches, of which the last may wait.
    await waitUntil('it has them all', () => seen.length === 4_000, { timeoutMs: 40_000 });
    expect(performance.now() - began).toBeLessThan(8_000);
  });

  it('commits nothing before the handler has resolved', async () => {
    const producer = await bench.producer();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let started = false;
    const take: Take = () => {
      started = true;
      return held;
    };
    await bench.app(bench.strategy(producer, { group }), [events(take)]);
    await producer.send(numbered(topic, 'k', 1));
    await waitUntil('the handler has it', () => started);
    expect(await bench.committed(group)).toBe(0n);
    release();
    await waitUntil('it is committed', async () => (await bench.committed(group)) === 1n);
  });

  it('stays a member through a batch that takes longer than the session', async () => {
    const producer = await bench.producer();
    const seen: number[] = [];
    let assignments = 0;
    const take: Take = async (batch) => {
      seen.push(...numbersOf(batch));
      await new Promise((resolve) => setTimeout(resolve, 8_000));
    };
    const onAssigned = () => void assignments++;
    await bench.app(bench.strategy(producer, { group, sessionTimeoutMs: 6_000, onAssigned }), [events(take)]);
    await producer.send(numbered(topic, 'k', 1));
    await waitUntil('it is committed', async () => (await bench.committed(group)) === 1n, { timeoutMs: 15_000 });
    expect(seen).toEqual([1]);
    expect(assignments).toBe(1);
  });

  it('fetches nothing while it is paused, keeps its membership, and goes on when it is resumed', async () => {
    const producer = await bench.producer();
    const seen: number[] = [];
    let assignments = 0;
    const strategy = bench.strategy(producer, {
      group,
      maxRecords: 1,
      onAssigned: () => void assignments++,
      lagIntervalMs: 200,
    });
    const take: Take = (batch) => {
      seen.push(...numbersOf(batch));
      if (seen.length === 3) strategy.pause();
    };
    await bench.app(strategy, [events(take)]);
    await producer.sendAll(Array.from({ length: 10 }, (_, n) => numbered(topic, 'k', n)));
    await waitUntil('it has paused itself', () => seen.length === 3);
    const name = bench.prefix + topic.name;
    const lag = new RegExp(`kafka_consumer_lag\\{topic="${name}",partition="\\d",group="${bench.prefix}${group}"\\} 7`);
    await waitUntil('the lag shows', async () => lag.test(await registry.metrics()));
    await new Promise((resolve) => setTimeout(resolve, 7_000)); // Longer than the session.
    expect(seen).toEqual([0, 1, 2]);
    expect(strategy.isHealthy()).toBe(true);
    strategy.resume();
    await waitUntil('the rest', () => seen.length === 10);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(assignments).toBe(1);
  });

  it('waits with a partition while something is away, without a dead letter, and the others go on', async () => {
    const producer = await bench.producer();
    const seen: number[] = [];
    let away = true;
    let failures = 0;
    const take: Take = (batch) => {
      if (away && numbersOf(batch).includes(1)) {
        failures++;
        throw new Away('the database is away');
      }
      seen.push(...numbersOf(batch));
    };
    await bench.app(bench.strategy(producer, { group }), [events(take)]);
    const stuck = (await producer.send(numbered(topic, 'stuck', 1))).partition;
    await waitUntil('it has failed several times', () => failures >= 4);
    const free = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const sent = await Promise.all(free.map((key, n) => producer.send(numbered(topic, key, 10 + n))));
    const others = sent.flatMap(({ partition }, n) => (partition === stuck ? [] : [10 + n]));
    await waitUntil('the other partitions go on', () => others.every((n) => seen.includes(n)));
    expect(seen).not.toContain(1);
    away = false;
    await waitUntil('it goes on', () => seen.length === 1 + free.length, { timeoutMs: 20_000 });
    expect(await deadLetters()).toEqual([]);
    expect(seen.filter((n) => n === 1)).toHaveLength(1);
  });

  it('goes on with the oldest record left, and says so, when retention has passed its offset', async () => {
    const producer = await bench.producer();
    const seen: number[] = [];
    const take: Take = (batch) => void seen.push(...numbersOf(batch));
    const first = await bench.app(bench.strategy(producer, { group }), [events(take)]);
    const { partition } = await producer.send(numbered(topic, 'k', 0));
    await waitUntil('it is committed', async () => (await bench.committed(group)) === 1n);
    await first.close();
    await producer.sendAll([1, 2, 3, 4].map((n) => numbered(topic, 'k', n)));
    const admin = new kafkajs.Kafka({ brokers: [brokers()], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    const name = bench.prefix + topic.name;
    await admin.fetchTopicOffsets(name); // kafkajs deletes only in topics that it has asked about.
    await admin.deleteTopicRecords({ topic: name, partitions: [{ partition, offset: '3' }] });
    await admin.disconnect();
    await bench.app(bench.strategy(producer, { group }), [events(take)]);
    await waitUntil('what is left', () => seen.includes(4));
    expect(seen).toEqual([0, 3, 4]);
    expect(bench.log.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        topic: name,
        partition,
        msg: expect.stringContaining('RECORDS WERE LOST') as string,
      }),
    );
    expect(await registry.metrics()).toContain(
      `kafka_consumer_offset_resets_total{topic="${name}",group="${bench.prefix}${group}"} 1`,
    );
  });

  it('calls onCrash when the consumer ends for good', async () => {
    const producer = await bench.producer();
    await bench.app(bench.strategy(producer, { group }), [events(() => undefined)]);
    await waitUntil('it has joined', () => bench.log.lines.some(({ msg }) => msg === 'Partitions assigned'));
    const crashes: Error[] = [];
    const onCrash = (error: Error) => void crashes.push(error);
    // A member that speaks another protocol than the group: no retry would help.
    await bench.app(bench.strategy(producer, { group, coPartition: true, onCrash }), [events(() => undefined)]);
    await waitUntil('it has crashed', () => crashes.length > 0);
    expect(crashes[0]!.message).toMatch(/protocol/i);
    expect(await registry.metrics()).toMatch(
      new RegExp(`kafka_consumer_crashes_total\\{group="${bench.prefix}${group}",restart="false"\\} 1`),
    );
  });

  it('lets a handler finish and leaves the group at once when it is closed', async () => {
    const producer = await bench.producer();
    let aborted = false;
    let started = false;
    const take: Take = async ({ signal }) => {
      started = true;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      aborted = true;
    };
    const first = await bench.app(bench.strategy(producer, { group, sessionTimeoutMs: 30_000 }), [events(take)]);
    await producer.send(numbered(topic, 'k', 1));
    await waitUntil('the handler has it', () => started);
    const closing = performance.now();
    await first.close();
    expect(performance.now() - closing).toBeLessThan(3_000);
    expect(aborted).toBe(true);
    expect(await bench.committed(group)).toBe(1n);
    const seen: number[] = [];
    await bench.app(bench.strategy(producer, { group }), [events((batch) => void seen.push(...numbersOf(batch)))]);
    await producer.send(numbered(topic, 'k', 2));
    // Had the first member not left, this one would wait for its session of 30 s.
    await waitUntil('the next member goes on', () => seen.length > 0, { timeoutMs: 8_000 });
    expect(seen).toEqual([2]);
  });
});
