import { Controller } from '@nestjs/common';
import { ConsumerGroupMonitor, OnBatch } from '@bongsu/kafka';
import { registry } from '@bongsu/observability';
import { KafkaProxy, waitUntil } from '@bongsu/testing';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, brokers, numbered, testTopic } from './harness.js';

const topic = testTopic('groups.v1', 2);
let bench: Bench;
let monitor: ConsumerGroupMonitor;
let now: number;

beforeEach(async () => {
  bench = await Bench.start([topic]);
  now = Date.now();
  monitor = monitorOf();
});
afterEach(async () => {
  monitor.stop();
  await bench.end();
});

const monitorOf = (env: Record<string, string> = {}): ConsumerGroupMonitor =>
  new ConsumerGroupMonitor({
    settings: bench.settings(env),
    clientId: 'test',
    logger: bench.log.logger,
    now: () => now,
  });

/** A figure about this test's topic, as Prometheus would read it. */
async function shown(metric: string, labels: Record<string, string> = {}): Promise<number | undefined> {
  const { values } = (await registry.getSingleMetric(metric)!.get()) as {
    values: { value: number; labels: Record<string, unknown> }[];
  };
  const wanted = Object.entries(labels);
  return values.find((each) => wanted.every(([name, value]) => String(each.labels[name]) === value))?.value;
}

/** Commits for a group that has no member. */
async function commit(consumergroup: string, partition: number, offset: number): Promise<void> {
  const admin = new Kafka({ brokers: [brokers()], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const partitions = [{ partition, offset: String(offset) }];
  await admin.setOffsets({ groupId: consumergroup, topic: bench.prefix + topic.name, partitions });
  await admin.disconnect();
}

/** Sends records of one key, two at different times; gives their partition and when each was written. */
async function send(count: number): Promise<{ partition: string; writtenAt: number[] }> {
  const producer = await bench.producer();
  let partition = 0;
  for (let n = 0; n < count; n++) ({ partition } = await producer.send(numbered(topic, 'k', n)));
  const records = (await bench.read(topic.name)).filter((record) => record.partition === partition);
  return { partition: String(partition), writtenAt: records.map(({ timestamp }) => Number(timestamp)) };
}

describe('a group whose consumers are dead', () => {
  it('is shown with how many records and how many seconds it is behind', async () => {
    const { partition, writtenAt } = await send(5);
    const consumergroup = `${bench.prefix}dead`;
    await commit(consumergroup, Number(partition), 2);
    now = writtenAt[2]! + 60_000;
    await monitor.look();
    const at = { consumergroup, topic: bench.prefix + topic.name, partition };
    expect(await shown('kafka_consumergroup_members', { consumergroup })).toBe(0);
    expect(await shown('kafka_consumergroup_current_offset', at)).toBe(2);
    expect(await shown('kafka_topic_partition_current_offset', { topic: at.topic, partition })).toBe(5);
    expect(await shown('kafka_consumergroup_lag', at)).toBe(3);
    expect(await shown('kafka_consumergroup_lag_seconds', at)).toBe(60);
    expect(await shown('kafka_brokers')).toBe(1);

    now += 10_000;
    await monitor.look();
    expect(await shown('kafka_consumergroup_lag_seconds', at)).toBe(70);
    expect(await shown('kafka_consumergroup_read_timestamp_seconds')).toBe(now / 1000);
  });

  it('that has read everything is 0 s behind, and so is one whose unread records are newer than the last look', async () => {
    const { partition } = await send(2);
    const consumergroup = `${bench.prefix}current`;
    await commit(consumergroup, Number(partition), 2);
    await monitor.look();
    const at = { consumergroup, topic: bench.prefix + topic.name, partition };
    expect(await shown('kafka_consumergroup_lag', at)).toBe(0);
    expect(await shown('kafka_consumergroup_lag_seconds', at)).toBe(0);
    const { writtenAt } = await send(1);
    now = writtenAt[2]! + 5_000;
    await monitor.look();
    expect(await shown('kafka_consumergroup_lag', at)).toBe(1);
    expect(await shown('kafka_consumergroup_lag_seconds', at)).toBe(0);
    now += 10_000;
    await monitor.look();
    expect(await shown('kafka_consumergroup_lag_seconds', at)).toBe(15);
  });

  it('that retention has passed counts what is still there', async () => {
    const { partition, writtenAt } = await send(4);
    const consumergroup = `${bench.prefix}late`;
    await commit(consumergroup, Number(partition), 0);
    const admin = new Kafka({ brokers: [brokers()], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const partitions = [{ partition: Number(partition), offset: '3' }];
    // kafkajs deletes only in topics that it has been asked about before.
    await admin.fetchTopicOffsets(bench.prefix + topic.name);
    await admin.deleteTopicRecords({ topic: bench.prefix + topic.name, partitions });
    await admin.disconnect();
    now = writtenAt[3]! + 1_000;
    await monitor.look();
    const at = { consumergroup, topic: bench.prefix + topic.name, partition };
    expect(await shown('kafka_consumergroup_lag', at)).toBe(1);
    expect(await shown('kafka_consumergroup_lag_seconds', at)).toBe(1);
  });
});

describe('a group that lives', () => {
  it('is shown with its members', async () => {
    @Controller()
    class Events {
      @OnBatch(topic)
      async take(): Promise<void> {}
    }
    const strategy = bench.strategy(await bench.producer(), { group: 'bongsu.notification' });
    await bench.app(strategy, [Events]);
    const consumergroup = `${bench.prefix}bongsu.notification`;
    const members = await waitUntil('it has a member', async () => {
      await monitor.look();
      return shown('kafka_consumergroup_members', { consumergroup });
    });
    expect(members).toBe(1);
  });
});

describe('figures', () => {
  it('are taken away when Kafka does not answer three times, and come back with it', async () => {
    const { partition } = await send(1);
    const consumergroup = `${bench.prefix}watched`;
    await commit(consumergroup, Number(partition), 0);
    const proxy = await KafkaProxy.start({ broker: brokers() });
    monitor.stop();
    monitor = monitorOf({ KAFKA_BROKERS: proxy.bootstrap });
    const lag = () => shown('kafka_consumergroup_lag', { consumergroup });
    await monitor.look();
    expect(await lag()).toBe(1);
    proxy.down = true;
    proxy.cut();
    await monitor.look();
    await monitor.look();
    expect(await lag()).toBe(1);
    await monitor.look();
    expect(await lag()).toBeUndefined();
    expect(await shown('kafka_brokers')).toBeUndefined();
    proxy.down = false;
    await monitor.look();
    expect(await lag()).toBe(1);
    await proxy.stop();
  });
});
