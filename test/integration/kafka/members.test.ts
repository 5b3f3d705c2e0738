import { setTimeout as sleep } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { KafkaProxy, waitUntil } from '@bongsu/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, brokers, numbered, testTopic, type Numbered } from './harness.js';

const topic = testTopic('members.v1');
const group = 'bongsu.notification';
/** Of Kafka's protocol: keys of requests, and errors. */
const FETCH = 1;
const JOIN_GROUP = 11;
const HEARTBEAT = 12;
const COORDINATOR_LOAD_IN_PROGRESS = 14;
const NOT_COORDINATOR = 16;
let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start([topic]);
});
afterEach(() => bench.end());

type Take = (batch: EventBatch<Numbered>) => Promise<void> | void;
const numbersOf = ({ records }: EventBatch<Numbered>): number[] => records.map(({ event }) => event.data.n);

function events(take: Take, sideBySide = 2) {
  @Controller()
  class Events {
    @OnBatch(topic, { sideBySide })
    take(batch: EventBatch<Numbered>): Promise<void> | void {
      return take(batch);
    }
  }
  return Events;
}

describe('several members', () => {
  it('takes over from one that is cut off, whose batch is told to stop', async () => {
    const proxy = await KafkaProxy.start({ broker: brokers() });
    try {
      const producer = await bench.producer();
      let zombie: AbortSignal | undefined;
      const take: Take = async ({ signal }) => {
        zombie = signal;
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      };
      const settings = bench.settings({ KAFKA_BROKERS: proxy.bootstrap });
      await bench.app(bench.strategy(producer, { group, settings, closeTimeoutMs: 500 }), [events(take)]);
      await producer.send(numbered(topic, 'k', 1));
      await waitUntil('the first has it', () => zombie);
      proxy.down = true;
      proxy.cut();
      const seen: number[] = [];
      await bench.app(bench.strategy(producer, { group }), [events((batch) => void seen.push(...numbersOf(batch)))]);
      await waitUntil('the second takes over', () => seen.includes(1), { timeoutMs: 25_000 });
      await waitUntil('the first is told', () => zombie?.aborted);
      expect(await bench.committed(group)).toBe(1n);
    } finally {
      await proxy.stop();
    }
  });

  it('gives partition i of every topic to the same member; the surplus stands by and takes over', async () => {
    const topics = [testTopic('left.v1', 2), testTopic('right.v1', 2)];
    const pair = await Bench.start(topics);
    const producer = await pair.producer();
    const members = Array.from({ length: 3 }, () => ({ assigned: new Map<string, readonly number[]>(), revoked: 0 }));
    @Controller()
    class Both {
      @OnBatch(topics[0]!)
      left(): void {}
      @OnBatch(topics[1]!)
      right(): void {}
    }
    const apps = [];
    for (const member of members) {
      const strategy = pair.strategy(producer, {
        group,
        coPartition: true,
        onAssigned: (partitions) => void (member.assigned = new Map(partitions)),
        onRevoked: () => void member.revoked++,
      });
      apps.push(await pair.app(strategy, [Both]));
    }
    const shares = () => members.map(({ assigned }) => (assigned.get('left.v1') ?? []).join()).toSorted();
    await waitUntil('two have one each, one has none', () => shares().join('|') === '|0|1', { timeoutMs: 20_000 });
    for (const { assigned } of members) expect(assigned.get('right.v1')).toEqual(assigned.get('left.v1'));
    const busy = members.findIndex(({ assigned }) => assigned.size > 0);
    await apps[busy]!.close();
    expect(members[busy]!.revoked).toBeGreaterThan(0);
    members[busy]!.assigned = new Map();
    await waitUntil('the one that stood by has it', () => shares().join('|') === '|0|1', { timeoutMs: 20_000 });
    await pair.end();
  });

  it('commits nothing any more, while it waits for its last handler, of what has gone to others', async () => {
    const producer = await bench.producer();
    const send = (from: number, to: number) =>
      producer.sendRaw(
        Array.from({ length: to - from }, (_, n) => from + n).flatMap((n) =>
          [0, 1, 2, 3].map((partition) => ({
            ...numbered(topic, 'k', n * 4 + partition),
            key: Buffer.from(`k${partition}`),
            partition,
          })),
        ),
      );
    await send(0, 150);
    const { promise: hanging, resolve: goOn } = Promise.withResolvers<void>();
    let running = 0;
    const take: Take = async () => {
      running++;
      await hanging;
    };
    const leaving = bench.strategy(producer, { group, closeTimeoutMs: 30_000 });
    await bench.app(leaving, [events(take, 4)]);
    await waitUntil('it has a batch of each partition', () => running === 4);
    const closed = leaving.close();
    const seen: number[] = [];
    let assigned = 0;
    const onAssigned = (partitions: ReadonlyMap<string, readonly number[]>) =>
      void (assigned = partitions.get(topic.name)?.length ?? 0);
    const heir = bench.strategy(producer, { group, onAssigned });
    await bench.app(heir, [events((batch) => void seen.push(...numbersOf(batch)))]);
    await waitUntil('half of them goes to the other', () => seen.length === 300, { timeoutMs: 20_000 });
    await send(150, 200);
    await waitUntil('and what comes later', () => seen.length === 400);
    await waitUntil('it is committed', async () => (await bench.committed(group)) === 400n);
    goOn();
    await closed;
    await waitUntil('the other half follows', () => assigned === 4, { timeoutMs: 20_000 });
    await send(200, 201);
    const last = [800, 801, 802, 803];
    await waitUntil('it has them all', () => last.every((n) => seen.includes(n)), { timeoutMs: 20_000 });
    expect(seen.filter((n, i) => seen.indexOf(n) < i)).toEqual([]);
  }, 90_000);

  it.each(['records', 'none'] as const)(
    'joins again although the new coordinator was loading at first (%s waiting)',
    async (waiting) => {
      const proxy = await KafkaProxy.start({ broker: brokers() });
      try {
        const producer = await bench.producer();
        const seen: number[] = [];
        const settings = bench.settings({ KAFKA_BROKERS: proxy.bootstrap });
        const strategy = bench.strategy(producer, { group, settings });
        const app = await bench.app(strategy, [events((batch) => void seen.push(...numbersOf(batch)))]);
        await producer.send(numbered(topic, 'k', 1));
        await waitUntil('it consumes', () => seen.includes(1));
        let [moved, loading, joined] = [false, true, false];
        proxy.fate = ({ api }) => {
          if (api === HEARTBEAT && !moved) {
            moved = true;
            return { refuse: NOT_COORDINATOR };
          }
          if (api === JOIN_GROUP && loading) {
            loading = false;
            return { refuse: COORDINATOR_LOAD_IN_PROGRESS };
          }
          joined ||= api === JOIN_GROUP;
          return 'pass';
        };
        if (waiting === 'records') {
          await waitUntil('it has to join', () => moved);
          await producer.send(numbered(topic, 'k', 2));
          await waitUntil('it consumes again', () => seen.includes(2), { timeoutMs: 5_000 });
        }
        // The coordinator takes the old generation's heartbeats: nobody else tells the member.
        await waitUntil('it joins', () => joined, { timeoutMs: 5_000 });
        await waitUntil('it is healthy', () => strategy.isHealthy());
        await producer.send(numbered(topic, 'k', 3));
        await waitUntil('it consumes', () => seen.includes(3));
        expect(new Set(seen)).toEqual(new Set(waiting === 'records' ? [1, 2, 3] : [1, 3]));
        await app.close();
      } finally {
        await proxy.stop();
      }
    },
  );

  it('fetches nothing any more while it waits for its last handler', async () => {
    const proxy = await KafkaProxy.start({ broker: brokers() });
    try {
      const producer = await bench.producer();
      await producer.sendAll(Array.from({ length: 400 }, (_, n) => numbered(topic, 'k', n)));
      let [started, closing, fetches] = [false, false, 0];
      proxy.fate = ({ api }) => {
        if (closing && api === FETCH) fetches++;
        return 'pass';
      };
      const take: Take = async () => {
        started = true;
        await sleep(1_500);
      };
      const settings = bench.settings({ KAFKA_BROKERS: proxy.bootstrap });
      const strategy = bench.strategy(producer, { group, settings, maxRecords: 200 });
      await bench.app(strategy, [events(take)]);
      await waitUntil('the handler has it', () => started);
      closing = true;
      const closed = strategy.close();
      // Nobody begins these any more: they must not be fetched over and over.
      await producer.sendAll(Array.from({ length: 400 }, (_, n) => numbered(topic, `other-${n}`, n)));
      await closed;
      expect(fetches).toBeLessThan(5);
      expect(await bench.committed(group)).toBe(200n);
    } finally {
      await proxy.stop();
    }
  });
});
