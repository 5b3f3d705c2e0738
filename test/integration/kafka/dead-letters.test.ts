import { Controller } from '@nestjs/common';
import { DEAD_LETTER_RETENTION_MS, deadLetterTopic, REPLAY_GROUP, type RawRecord } from '@bongsu/contracts';
import { DeadLetterTopics, OnBatch, type BatchOutcome, type EventBatch, type KafkaProducer } from '@bongsu/kafka';
import { waitUntil } from '@bongsu/testing';
import kafkajs, { type Message } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, brokers, numbered, testTopic, type Numbered } from './harness.js';

const topic = testTopic('letters.v1', 3);
const group = 'bongsu.notification';
const FROM = { name: deadLetterTopic(topic.name, group), topic: topic.name, group };

let bench: Bench;
let producer: KafkaProducer;
const opened: DeadLetterTopics[] = [];
beforeEach(async () => {
  bench = await Bench.start([topic]);
  producer = await bench.producer();
});
afterEach(async () => {
  for (const each of opened.splice(0)) each.close();
  await bench.end();
});

function letters(now?: () => number): DeadLetterTopics {
  const { logger } = bench.log;
  const options = { settings: bench.settings(), logger, topics: bench.topics };
  const client = new DeadLetterTopics({ ...options, ...(now ? { now } : {}) });
  opened.push(client);
  return client;
}

/** Writes messages as another program would. */
async function write(to: string, messages: (Message & { partition: number })[]): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: [brokers()], logLevel: kafkajs.logLevel.NOTHING });
  const client = kafka.producer({ createPartitioner: () => (args) => args.message.partition! });
  await client.connect();
  await client.send({ topic: bench.prefix + to, messages });
  await client.disconnect();
}

/** Dead letters as the consumer writes them, without one. */
const letter = (n: number, partition = 0): Message & { partition: number } => ({
  partition,
  key: `key-${n}`,
  value: Buffer.from([n & 0xff, 0xff, 0x00]),
  headers: {
    own: `${n}`,
    dlt_topic: 'another.topic.v1',
    dlt_partition: String(partition),
    dlt_offset: String(n),
    dlt_code: 'record_not_json',
    dlt_at: new Date(Date.UTC(2026, 10, 21) + n).toISOString(),
  },
});
const send = (records: Parameters<KafkaProducer['sendRaw']>[0]) => producer.sendRaw(records);
const keysOf = (records: readonly RawRecord[]) => records.map(({ key }) => key?.toString());
const replayed = () => bench.read(topic.name);

describe('dead-letter topics', () => {
  it('are counted, and shown newest first', async () => {
    await write(FROM.name, [letter(1), letter(2), letter(3, 2)]);
    const client = letters();
    expect(await client.list()).toEqual([
      { ...FROM, records: 3, waiting: 3 },
      {
        name: deadLetterTopic(topic.name, 'bongsu.audit'),
        topic: topic.name,
        group: 'bongsu.audit',
        records: 0,
        waiting: 0,
      },
    ]);
    await write(FROM.name, [letter(4, 1)]);
    const newest = await client.newest(FROM, 2);
    expect(newest.map(({ key }) => key?.toString())).toEqual(['key-4', expect.stringMatching(/key-[123]/)]);
    expect(newest[0]).toMatchObject({ partition: 1, offset: 0n, code: 'record_not_json', replays: 0 });
    const missing = { ...FROM, name: 'there.is.none' };
    await expect(client.newest(missing, 1)).rejects.toThrow('There is no topic there.is.none');
  });

  it('are replayed into their own topic and partition, byte for byte, once', async () => {
    await write(FROM.name, [letter(1), letter(2, 2), { ...letter(3), key: null, value: null }]);
    expect(await letters().replay(FROM, { send, dryRun: true })).toEqual({ replayed: 3, before: 0 });
    expect(await replayed()).toEqual([]);
    expect(await letters().replay(FROM, { send })).toEqual({ replayed: 3, before: 0 });
    const found = await replayed();
    expect(found.map(({ partition, key, value }) => [partition, key?.toString(), value])).toEqual([
      [0, 'key-1', Buffer.from([1, 0xff, 0])],
      [0, undefined, null],
      [2, 'key-2', Buffer.from([2, 0xff, 0])],
    ]);
    expect(found[0]!.headers.map(([name, value]) => [name, value.toString()])).toEqual([
      ['own', '1'],
      ['bongsu_replays', '1'],
    ]);
    for (const client of [letters(), letters()])
      expect(await client.replay(FROM, { send })).toEqual({ replayed: 0, before: 3 });
    expect(await replayed()).toHaveLength(3);
    expect((await letters().list())[0]).toMatchObject({ records: 3, waiting: 0 });
    await write(FROM.name, [letter(4)]);
    expect(await letters().replay(FROM, { send })).toEqual({ replayed: 1, before: 3 });
    expect(await letters().replay(FROM, { send, again: true })).toEqual({ replayed: 4, before: 0 });
  });

  it('remember single ones that were replayed', async () => {
    await write(
      FROM.name,
      [1, 2, 3, 4, 5].map((n) => letter(n)),
    );
    const one = (offset: bigint, again = false) =>
      letters().replay(FROM, { send, again, only: { partition: 0, offset } });
    expect(await one(3n)).toEqual({ replayed: 1, before: 0 });
    expect(await one(3n)).toEqual({ replayed: 0, before: 1 });
    expect(await one(3n, true)).toEqual({ replayed: 1, before: 0 });
    expect((await letters().list())[0]).toMatchObject({ records: 5, waiting: 4 });
    expect(await letters().replay(FROM, { send })).toEqual({ replayed: 4, before: 1 });
    expect(keysOf(await replayed())).toEqual(['key-4', 'key-4', 'key-1', 'key-2', 'key-3', 'key-5']);
    await expect(one(5n)).rejects.toThrow('There is no record 0/5');
    await expect(letters().replay(FROM, { send, only: { partition: 7, offset: 0n } })).rejects.toThrow('no record 7/0');
  });

  it('go on where a replay stopped that could not send, and repeat a batch at most', async () => {
    await write(
      FROM.name,
      Array.from({ length: 1_200 }, (_, n) => letter(n)),
    );
    let batches = 0;
    const failing = async (records: Parameters<KafkaProducer['sendRaw']>[0]): Promise<void> => {
      if (++batches === 2) throw new Error('Kafka is away');
      await send(records);
    };
    await expect(letters().replay(FROM, { send: failing })).rejects.toThrow('Kafka is away');
    const sent = (await replayed()).length;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(1_200);
    expect(await letters().replay(FROM, { send })).toMatchObject({ replayed: 1_200 - sent });
    const keys = keysOf(await replayed());
    expect(keys).toEqual(Array.from({ length: 1_200 }, (_, n) => `key-${n}`));
  });

  it('past their retention count as replayed: what was remembered of them may be gone', async () => {
    await write(FROM.name, [letter(1)]);
    const later = letters(() => Date.now() + DEAD_LETTER_RETENTION_MS + 1_000);
    expect(await later.replay(FROM, { send, dryRun: true })).toEqual({ replayed: 0, before: 1 });
    expect(await later.replay(FROM, { send, again: true })).toEqual({ replayed: 1, before: 0 });
  });

  it('leave no other group behind', async () => {
    await write(FROM.name, [letter(1)]);
    await letters().newest(FROM, 5);
    await letters().replay(FROM, { send });
    const admin = new kafkajs.Kafka({ brokers: [brokers()], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    const { groups } = await admin.listGroups();
    await admin.disconnect();
    const own = groups.map(({ groupId }) => groupId).filter((id) => id.startsWith(bench.prefix));
    expect(own).toEqual([bench.prefix + REPLAY_GROUP]);
  });
});

describe('a record that is replayed', () => {
  it('is handled once its handler can, and comes back, counted, while it cannot', async () => {
    let mended = false;
    const handled: number[] = [];
    @Controller()
    class Events {
      @OnBatch(topic)
      take(batch: EventBatch<Numbered>): BatchOutcome {
        if (mended) handled.push(...batch.records.map(({ event }) => event.data.n));
        else
          return batch.records.map(({ raw }) => ({
            offset: raw.offset,
            code: 'handler_failed' as const,
            detail: 'broken',
          }));
      }
    }
    await bench.app(bench.strategy(producer, { group }), [Events]);
    await producer.send(numbered(topic, 'k', 42));
    const count = (n: number) =>
      waitUntil(`${n} dead letters`, async () => (await letters().newest(FROM, 10)).length === n, { everyMs: 200 });
    await count(1);
    await letters().replay(FROM, { send });
    await count(2);
    expect((await letters().newest(FROM, 1))[0]).toMatchObject({
      replays: 1,
      detail: 'broken',
      origin: { topic: topic.name },
    });
    mended = true;
    expect(await letters().replay(FROM, { send })).toEqual({ replayed: 1, before: 1 });
    await waitUntil('it is handled', () => handled.length === 1);
    expect(handled).toEqual([42]);
    const last = (await replayed()).at(-1)!;
    expect(last.headers.find(([name]) => name === 'bongsu_replays')?.[1].toString()).toBe('2');
  });
});
