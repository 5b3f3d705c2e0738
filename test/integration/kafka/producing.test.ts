import { partitionFor } from '@bongsu/contracts';
import { KafkaProxy, waitUntil } from '@bongsu/testing';
import { registry } from '@bongsu/observability';
import kafkajs from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, brokers, numbered, testTopic } from './harness.js';

const topic = testTopic('sent.v1');
let bench: Bench;
let proxy: KafkaProxy;
const throughProxy = () => ({ KAFKA_BROKERS: proxy.bootstrap });

beforeEach(async () => {
  bench = await Bench.start([topic]);
  proxy = await KafkaProxy.start({ broker: brokers() });
});
afterEach(async () => {
  await bench.end();
  await proxy.stop();
});

const numbers = async (): Promise<number[]> =>
  (await bench.read(topic.name)).map((record) => (JSON.parse(record.value!.toString()) as { n: number }).n);

/** Lowers a topic's limit and waits until the broker goes by it; leaves records with n = -1 in the topic. */
async function limitMessageBytes(limit: number): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: [brokers()], logLevel: kafkajs.logLevel.NOTHING });
  const [admin, producer] = [kafka.admin(), kafka.producer({ retry: { retries: 0 } })];
  await Promise.all([admin.connect(), producer.connect()]);
  const name = bench.prefix + topic.name;
  const configEntries = [{ name: 'max.message.bytes', value: String(limit) }];
  const type = kafkajs.ConfigResourceTypes.TOPIC;
  await admin.alterConfigs({ validateOnly: false, resources: [{ type, name, configEntries }] });
  const messages = [{ key: 'k', value: `{"n":-1${' '.repeat(limit)}}` }];
  await waitUntil('the limit is in force', () =>
    producer.send({ topic: name, messages }).then(
      () => false,
      () => true,
    ),
  );
  await Promise.all([admin.disconnect(), producer.disconnect()]);
}

describe('the producer', () => {
  it('sends to the partition of the key, with bytes and headers unchanged', async () => {
    const producer = await bench.producer();
    const key = '봉수/täglich';
    const record = numbered(topic, key, 1);
    const { partition, offset } = await producer.send(record);
    expect(partition).toBe(partitionFor(key, 4));
    const [read] = await bench.read(topic.name);
    expect(read).toMatchObject({ partition, offset, key: Buffer.from(key), value: record.value });
    expect(Object.fromEntries(read!.headers.map(([name, value]) => [name, value.toString()]))).toEqual(record.headers);
  });

  it('sends pinned keys where they are pinned', async () => {
    const producer = await bench.producer({ KAFKA_PINNED_KEYS: 'loud=3,quiet=2' });
    expect((await producer.send(numbered(topic, 'loud', 1))).partition).toBe(3);
    expect((await producer.send(numbered(topic, 'quiet', 1))).partition).toBe(2);
  });

  it('refuses a record without a key: Need message key', async () => {
    const producer = await bench.producer();
    await expect(producer.send(numbered(topic, '', 1))).rejects.toMatchObject({
      code: 'record_key_missing',
      message: 'Need message key',
    });
  });

  it('refuses a topic that does not exist, and goes on with the others', async () => {
    const producer = await bench.producer();
    const [unknown, known] = await Promise.allSettled([
      producer.send(numbered(testTopic('missing.v1'), 'k', 1)),
      producer.send(numbered(topic, 'k', 2)),
    ]);
    expect(unknown).toMatchObject({ status: 'rejected', reason: { code: 'topic_unknown' } });
    expect(known.status).toBe('fulfilled');
  });

  it('refuses a record that is too large for its topic, alone', async () => {
    const producer = await bench.producer();
    const huge = { ...numbered(topic, 'k', 2), value: Buffer.alloc(1_048_588) };
    const results = await Promise.allSettled([
      producer.send(numbered(topic, 'k', 1)),
      producer.send(huge),
      producer.send(numbered(topic, 'k', 3)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'record_too_large' } });
    expect(await numbers()).toEqual([1, 3]);
  });

  it('measures as the broker does: the largest record that it lets through is accepted', async () => {
    const producer = await bench.producer();
    const refused = (bytes: number) => producer.send({ ...numbered(topic, 'k', 1), value: Buffer.alloc(bytes) });
    let size = 1_048_588;
    for (let error: unknown = true; error; size--)
      error = await refused(size).then(
        () => undefined,
        () => true,
      );
    // Were our measure too generous, the broker's own refusal would have thrown this producer away.
    expect(bench.log.lines.filter(({ msg }) => msg.includes('discarded and a new one'))).toEqual([]);
    expect(1_048_588 - size).toBeLessThan(400);
  });

  it('takes a batch apart that the broker finds too large, down to the record at fault', async () => {
    const producer = await bench.producer();
    await producer.send(numbered(topic, 'k', 0));
    // The producer still believes in the old limit.
    await limitMessageBytes(2_000);
    const large = { ...numbered(topic, 'k', 3), value: Buffer.from(`{"n":3${' '.repeat(3_000)}}`) };
    const sends = [1, 2].map((n) => producer.send(numbered(topic, 'k', n)));
    sends.push(producer.send(large));
    sends.push(...[4, 5].map((n) => producer.send(numbered(topic, 'k', n))));
    const results = await Promise.allSettled(sends);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(results[2]).toMatchObject({ reason: { code: 'record_too_large' } });
    expect((await numbers()).filter((n) => n >= 0)).toEqual([0, 1, 2, 4, 5]);
  });

  it('sends what arrives during a send as the next batch, with one request in flight', async () => {
    const producer = await bench.producer(throughProxy());
    await producer.send(numbered(topic, 'k', 0));
    let produced = 0;
    proxy.fate = ({ isProduce }) => {
      if (isProduce) produced++;
      return 'pass';
    };
    await Promise.all(Array.from({ length: 1_200 }, (_, n) => producer.send(numbered(topic, 'k', n))));
    expect(produced).toBe(3); // 500, 500, 200
  });

  it('waits for more with KAFKA_LINGER_MS', async () => {
    const producer = await bench.producer({ ...throughProxy(), KAFKA_LINGER_MS: '150' });
    await producer.send(numbered(topic, 'k', 0));
    let produced = 0;
    proxy.fate = ({ isProduce }) => {
      if (isProduce) produced++;
      return 'pass';
    };
    const first = producer.send(numbered(topic, 'k', 1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await Promise.all([first, producer.send(numbered(topic, 'k', 2))]);
    expect(produced).toBe(1);
  });

  it('refuses at once when its memory is full, and takes records again when it is not', async () => {
    const producer = await bench.producer({ ...throughProxy(), KAFKA_BUFFER_MEMORY: '10KB' });
    await producer.send(numbered(topic, 'k', 0));
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, (_, n) => producer.send(numbered(topic, 'k', n + 1))),
    );
    const codes = results.map((result) =>
      result.status === 'fulfilled' ? 'sent' : (result.reason as { code: string }).code,
    );
    const sent = codes.filter((code) => code === 'sent').length;
    expect(sent).toBeGreaterThan(20);
    expect(codes.slice(sent).every((code) => code === 'producer_buffer_full')).toBe(true);
    await producer.send(numbered(topic, 'k', 999));
    expect(await numbers()).toHaveLength(sent + 2);
  });

  it('sends a list in order, and nothing of it after a record that failed', async () => {
    const producer = await bench.producer();
    const list = Array.from({ length: 1_100 }, (_, n) => numbered(topic, 'k', n));
    const metadata = await producer.sendAll(list);
    expect(metadata.map(({ offset }) => Number(offset))).toEqual(list.map((_, n) => n));
    const bad = [...list.slice(0, 3), { ...list[3]!, value: Buffer.alloc(2_000_000) }, ...list.slice(4, 6)];
    await expect(producer.sendAll(bad)).rejects.toMatchObject({ code: 'record_too_large' });
    await producer.flush();
    expect((await numbers()).slice(1_100)).toEqual([0, 1, 2]);
    await expect(producer.sendAll([])).resolves.toEqual([]);
  });

  it('is as weak as it is told to be: acks 1 and 0', async () => {
    const one = await bench.producer({ KAFKA_ACKS: '1' });
    expect((await one.send(numbered(topic, 'k', 1))).offset).toBe(0n);
    const none = await bench.producer({ KAFKA_ACKS: '0' });
    expect((await none.send(numbered(topic, 'k', 2))).offset).toBe(-1n);
    await expect.poll(numbers).toEqual([1, 2]);
  });

  it('gives up after KAFKA_RETRIES, and what it sends next is neither lost nor refused', async () => {
    const producer = await bench.producer({ ...throughProxy(), KAFKA_RETRIES: '2' });
    await producer.send(numbered(topic, 'k', 0));
    let lost = 0;
    proxy.fate = ({ isProduce }) => (isProduce && ++lost ? 'lose-response' : 'pass');
    await expect(producer.send(numbered(topic, 'k', 1))).rejects.toMatchObject({ code: 'kafka_unavailable' });
    expect(lost).toBe(3);
    proxy.fate = () => 'pass';
    for (let n = 2; n < 6; n++) await producer.send(numbered(topic, 'k', n));
    // Record 1 was written although nobody was told: given up means unknown.
    expect(await numbers()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('compresses', async () => {
    const producer = await bench.producer({ KAFKA_COMPRESSION: 'gzip' });
    await Promise.all([1, 2, 3].map((n) => producer.send(numbered(topic, 'k', n))));
    expect(await numbers()).toEqual([1, 2, 3]);
  });

  it('notices partitions that were added', async () => {
    const producer = await bench.producer({}, { topicsMaxAgeMs: 300 });
    await producer.send(numbered(topic, 'k', 0));
    const admin = bench.admin();
    await admin.apply(await admin.plan(new Map([[topic.name, { partitions: 9, replicas: 1 }]])));
    await admin.close();
    await expect
      .poll(async () => (await producer.send(numbered(topic, 'key', 1))).partition, { timeout: 10_000 })
      .toBe(partitionFor('key', 9));
    expect(partitionFor('key', 9)).not.toBe(partitionFor('key', 4));
  });

  it('goes on when a topic is deleted in the middle of a send', async () => {
    const doomed = testTopic('doomed.v1');
    const own = await Bench.start([topic, doomed]);
    const producer = await own.producer(throughProxy(), { deliveryTimeoutMs: 1_000 });
    await producer.send(numbered(doomed, 'k', 0));
    await producer.send(numbered(topic, 'k', 0));
    const admin = new kafkajs.Kafka({ brokers: [brokers()], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [own.prefix + doomed.name] });
    await admin.disconnect();
    await expect(producer.send(numbered(doomed, 'k', 1))).rejects.toMatchObject({
      code: expect.stringMatching(/topic_unknown|kafka_unavailable/) as string,
    });
    await expect.poll(() => producer.available, { timeout: 15_000 }).toBe(true);
    await producer.send(numbered(topic, 'k', 1));
    await own.end();
  });

  it('lets go of what is on its way when it is closed, and refuses what comes after', async () => {
    const producer = await bench.producer();
    const sends = Array.from({ length: 700 }, (_, n) => producer.send(numbered(topic, 'k', n)));
    const closed = producer.close();
    await expect(producer.send(numbered(topic, 'k', 1_000))).rejects.toMatchObject({ code: 'shutting_down' });
    await closed;
    await Promise.all(sends);
    expect(await numbers()).toHaveLength(700);
  });

  it('ends in bounded time when Kafka is away', async () => {
    const producer = await bench.producer(throughProxy(), { closeTimeoutMs: 500 });
    await producer.send(numbered(topic, 'k', 0));
    proxy.down = true;
    proxy.cut();
    const left = producer.send(numbered(topic, 'k', 1));
    left.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const started = performance.now();
    await producer.close();
    expect(performance.now() - started).toBeLessThan(1_500);
    await expect(left).rejects.toMatchObject({ code: 'kafka_unavailable' });
  });

  it('counts what it does', async () => {
    const producer = await bench.producer();
    await Promise.all([1, 2, 3].map((n) => producer.send(numbered(topic, 'k', n))));
    await producer.send(numbered(topic, '', 1)).catch(() => undefined);
    const metrics = await registry.metrics();
    const name = bench.prefix + topic.name;
    expect(metrics).toContain(`kafka_producer_records_total{topic="${name}",result="acknowledged"} 3`);
    expect(metrics).toContain(`kafka_producer_records_total{topic="${name}",result="refused"} 1`);
    expect(metrics).toMatch(/kafka_producer_batch_records_count \d/);
  });
});
