import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { Controller } from '@nestjs/common';
import { OnBatch, type BatchOutcome, type EventBatch } from '@bongsu/kafka';
import { registry } from '@bongsu/observability';
import { KafkaProxy, waitUntil } from '@bongsu/testing';
import kafkajs, { type Message } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, brokers, numbered, NUMBERED, testTopic, type Numbered } from './harness.js';

const topic = testTopic('poisoned.v1', 2);
const group = 'bongsu.notification';
const DLT = `${topic.name}.${group}.dlt`;
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

type Take = (batch: EventBatch<Numbered>) => Promise<BatchOutcome> | BatchOutcome;
function events(take: Take) {
  @Controller()
  class Events {
    @OnBatch(topic)
    take(batch: EventBatch<Numbered>): Promise<BatchOutcome> | BatchOutcome {
      return take(batch);
    }
  }
  return Events;
}

/** Writes messages as another program would. */
async function write(messages: (Message & { partition: number })[]): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: [brokers()], logLevel: kafkajs.logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: () => (args) => args.message.partition! });
  await producer.connect();
  await producer.send({ topic: bench.prefix + topic.name, messages });
  await producer.disconnect();
}

const good = (n: number) => {
  const { key, value, headers } = numbered(topic, 'k', n);
  return { key, value, headers, partition: 0 };
};
const without = (name: string): Record<string, string> => {
  const { [name]: _, ...rest } = good(0).headers;
  return rest;
};
const headersOf = (record: { headers: readonly (readonly [string, Buffer])[] }) =>
  Object.fromEntries(record.headers.map(([name, value]) => [name, value.toString()]));

/** The poison list of the reliability design, and what becomes of each. */
const POISON: [what: string, message: Partial<Message>, code: string][] = [
  ['no key', { key: null }, 'record_key_missing'],
  ['an empty key', { key: '' }, 'record_key_missing'],
  ['no value', { value: null }, 'record_value_missing'],
  ['an empty value', { value: '' }, 'record_not_json'],
  ['no JSON', { value: '{"n":' }, 'record_not_json'],
  ['bytes that are no UTF-8', { value: Buffer.from([0x22, 0xff, 0xfe, 0x22]) }, 'record_not_json'],
  ['JSON of another shape', { value: '{"n":"one"}' }, 'record_shape_invalid'],
  ['JSON nested 10,000 deep', { value: '['.repeat(10_000) + ']'.repeat(10_000) }, 'record_shape_invalid'],
  ['a number beyond 2^53', { value: '{"n":9007199254740993}' }, 'record_shape_invalid'],
  ['1 MB', { value: Buffer.alloc(1_048_000, 0x61) }, 'record_not_json'],
  ['an unknown type', { headers: { ...good(0).headers, ce_type: 'test.unknown.v1' } }, 'record_type_unknown'],
  [
    'an unknown version',
    { headers: { ...good(0).headers, ce_type: NUMBERED.replace('v1', 'v2') } },
    'record_type_unknown',
  ],
  ['no headers', { headers: {} }, 'record_headers_invalid'],
  ['no ce_id', { headers: without('ce_id') }, 'record_headers_invalid'],
  ['no ce_specversion', { headers: without('ce_specversion') }, 'record_headers_invalid'],
  ['a ce_time that is none', { headers: { ...good(0).headers, ce_time: 'yesterday' } }, 'record_headers_invalid'],
  ['a key that is no UTF-8', { key: Buffer.from([0xff, 0xfe]) }, 'record_headers_invalid'],
  ['headers named like object properties', { value: 'x', headers: poisonousHeaders() }, 'record_headers_invalid'],
];
function poisonousHeaders(): Record<string, string | string[]> {
  const headers = Object.create(null) as Record<string, string | string[]>;
  headers['__proto__'] = 'polluted';
  headers['constructor'] = 'polluted';
  headers['toString'] = ['one', 'two'];
  return headers;
}
/** Odd, but readable. */
const HARMLESS: [what: string, message: Partial<Message> & { partition?: number }][] = [
  ['the wrong partition for its key', { partition: 1 }],
  ['a timestamp in year 9999', { timestamp: '253370764800000' }],
  ['a timestamp before 1970', { timestamp: '0' }],
  ['a header twice', { headers: { ...good(0).headers, extra: ['a', 'b'] } }],
];

describe('poison', () => {
  it('goes to the dead-letter topic, bytes, origin and cause; everything around it is handled', async () => {
    const producer = await bench.producer();
    const seen: number[] = [];
    await bench.app(bench.strategy(producer, { group }), [
      events(({ records }) => void seen.push(...records.map(({ event }) => event.data.n))),
    ]);
    const messages = POISON.flatMap(([, message], n) => [good(n), { ...good(0), ...message }]);
    for (const message of messages) await write([message]);
    await write(HARMLESS.map(([, message], n) => ({ ...good(100 + n), ...message })));
    const expected = [...POISON.keys(), ...HARMLESS.map((_, n) => 100 + n)];
    await waitUntil('everything that is good', () => seen.length >= expected.length, { timeoutMs: 20_000 });
    expect(seen.toSorted((a, b) => a - b)).toEqual(expected);
    const dead = await waitUntil('the dead letters', async () => {
      const letters = await bench.read(DLT);
      return letters.length >= POISON.length && letters;
    });
    const originals = await bench.read(topic.name);
    expect(dead.map((record) => headersOf(record)['dlt_code'])).toEqual(POISON.map(([, , code]) => code));
    for (const [index, [what]] of POISON.entries()) {
      const headers = headersOf(dead[index]!);
      const original = originals.find(
        ({ partition, offset }) => partition === 0 && String(offset) === headers['dlt_offset'],
      )!;
      expect(dead[index], what).toMatchObject({ partition: 0, key: original.key, value: original.value });
      const kept = dead[index]!.headers.filter(([name]) => !name.startsWith('dlt_'));
      expect(kept, what).toEqual(original.headers);
      expect(headers, what).toMatchObject({
        dlt_topic: topic.name,
        dlt_partition: '0',
        dlt_timestamp: String(original.timestamp),
        dlt_group: group,
      });
      expect(headers['dlt_detail']!.length, what).toBeGreaterThan(0);
      expect(Date.parse(headers['dlt_at']!), what).toBeGreaterThan(Date.now() - 60_000);
    }
    const metrics = await registry.metrics();
    expect(metrics).toMatch(
      new RegExp(
        `kafka_consumer_records_total\\{topic="${bench.prefix}${topic.name}",.*result="unreadable"\\} ${POISON.length}`,
      ),
    );
    expect(metrics).toMatch(/dead_letter_records_total\{topic="poisoned\.v1",reason="record_key_missing"\} 2/);
  });

  it('that the handler fails on is found by halving, tried three times alone, and dead-lettered', async () => {
    const producer = await bench.producer();
    await producer.sendAll(Array.from({ length: 64 }, (_, n) => numbered(topic, 'k', n)));
    const done: number[] = [];
    let alone = 0;
    const take: Take = ({ records }) => {
      const numbers = records.map(({ event }) => event.data.n);
      if (numbers.length === 1 && numbers[0] === 37) alone++;
      // What kafkajs itself would stop for good at.
      if (numbers.includes(37)) throw new TypeError('secret payload: undefined is not a function');
      done.push(...numbers);
    };
    await bench.app(bench.strategy(producer, { group }), [events(take)]);
    await waitUntil('the others', () => done.length === 63);
    const [letter, ...more] = await waitUntil('the dead letter', async () => {
      const letters = await bench.read(DLT);
      return letters.length > 0 && letters;
    });
    expect(more).toEqual([]);
    expect(headersOf(letter!)).toMatchObject({ dlt_code: 'handler_failed', dlt_detail: 'TypeError', dlt_offset: '37' });
    expect(alone).toBe(3);
    expect(done).toEqual(Array.from({ length: 64 }, (_, n) => n).filter((n) => n !== 37));
  });

  it('that the handler rejects is dead-lettered with its reason, the rest is done', async () => {
    const producer = await bench.producer();
    await producer.sendAll(Array.from({ length: 10 }, (_, n) => numbered(topic, 'k', n)));
    let calls = 0;
    const take: Take = ({ records }) => {
      calls++;
      return records
        .filter(({ event }) => event.data.n % 4 === 1)
        .map(({ raw }) => ({ offset: raw.offset, code: 'validation_failed', detail: 'no such recipient' }) as const);
    };
    await bench.app(bench.strategy(producer, { group }), [events(take)]);
    const letters = await waitUntil('the dead letters', async () => {
      const found = await bench.read(DLT);
      return found.length >= 3 && found;
    });
    expect(calls).toBe(1);
    expect(letters.map((letter) => headersOf(letter)['dlt_offset'])).toEqual(['1', '5', '9']);
    expect(headersOf(letters[0]!)).toMatchObject({ dlt_code: 'validation_failed', dlt_detail: 'no such recipient' });
  });

  it('cannot come by a compression that kafkajs does not know: the broker unpacks it', async () => {
    const producer = await bench.producer();
    const seen: number[] = [];
    const { CompressionCodecs: codecs, CompressionTypes: types } = kafkajs;
    const unknown = codecs[types.ZSTD];
    codecs[types.ZSTD] = () => ({
      compress: async (encoder: { buffer: Buffer }) => zstdCompressSync(encoder.buffer),
      decompress: async (buffer: Buffer) => zstdDecompressSync(buffer),
    });
    const writer = new kafkajs.Kafka({ brokers: [brokers()], logLevel: kafkajs.logLevel.NOTHING }).producer();
    await writer.connect();
    const { key, value, headers } = good(1);
    await writer.send({
      topic: bench.prefix + topic.name,
      compression: types.ZSTD,
      messages: [{ key, value, headers }],
    });
    await writer.disconnect();
    codecs[types.ZSTD] = unknown;
    await bench.app(bench.strategy(producer, { group }), [
      events(({ records }) => void seen.push(...records.map(({ event }) => event.data.n))),
    ]);
    await waitUntil('it is read', () => seen.length > 0);
    expect(seen).toEqual([1]);
  });

  it('is never skipped while the dead-letter topic cannot be written to', async () => {
    const writer = await bench.producer({ KAFKA_BROKERS: proxy.bootstrap }, { deliveryTimeoutMs: 500 });
    const producer = await bench.producer();
    await waitUntil('the writer is connected', () => writer.available);
    const seen: number[] = [];
    await bench.app(bench.strategy(writer, { group }), [
      events(({ records }) => void seen.push(...records.map(({ event }) => event.data.n))),
    ]);
    proxy.down = true;
    proxy.cut();
    await write([{ ...good(0), value: 'poison' }]);
    const failed = () => bench.log.lines.filter(({ msg }) => msg === 'Dead letters cannot be written').length;
    await waitUntil('it has tried several times', () => failed() >= 3, { timeoutMs: 20_000 });
    await producer.send(numbered(topic, 'k', 1)); // Behind the poison, maybe in its partition.
    proxy.down = false;
    await waitUntil('it goes on', () => seen.includes(1), { timeoutMs: 30_000 });
    const letters = await waitUntil('the dead letter', async () => {
      const found = await bench.read(DLT);
      return found.length > 0 && found;
    });
    expect(new Set(letters.map((letter) => headersOf(letter)['dlt_offset']))).toEqual(new Set(['0']));
  });
});
