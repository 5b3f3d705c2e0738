import { ALL_TOPICS } from '@bongsu/contracts';
import { describeChange, TopicAdmin } from '@bongsu/kafka';
import { KafkaProxy } from '@bongsu/testing';
import kafkajs from 'kafkajs';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, brokers, numbered, testTopic } from './harness.js';

const topic = testTopic('planned.v1', 3);
// Requests, by Kafka's protocol.
const [METADATA, CREATE_TOPICS] = [3, 19];
const DLT = 'planned.v1.bongsu.notification.dlt';
let bench: Bench;
afterEach(() => bench.end());

/** Runs with an admin of its own and closes it. */
async function withAdmin<T>(work: (admin: TopicAdmin) => Promise<T>): Promise<T> {
  const admin = bench.admin();
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

describe('topics', () => {
  it('are created as declared, with a dead-letter topic for each reader', async () => {
    bench = await Bench.start([topic]);
    const found = await withAdmin((admin) => admin.describe());
    expect(
      found.map(({ name, partitions, replicas }) => [name.slice(bench.prefix.length), partitions, replicas]),
    ).toEqual([
      ['planned.v1', 3, 1],
      [DLT, 3, 1],
      ['planned.v1.bongsu.audit.dlt', 3, 1],
    ]);
    expect(found[0]!.config).toMatchObject({ 'cleanup.policy': 'delete', 'retention.ms': '3600000' });
    expect(found[1]!.config).toMatchObject({ 'retention.ms': String(30 * 86_400_000), 'max.message.bytes': '2097152' });
    expect(found[0]!.partitionDetails).toHaveLength(3);
    const plan = await withAdmin((admin) => admin.plan());
    expect(plan).toMatchObject({ changes: [], notes: [] });
  });

  it('are all there within seconds, also when several apply at once', async () => {
    bench = await Bench.start([]);
    const options = { settings: bench.settings(), logger: bench.log.logger };
    const admins = Array.from({ length: 3 }, () => new TopicAdmin(options));
    const started = performance.now();
    await Promise.all(admins.map(async (admin) => admin.apply(await admin.plan())));
    const tookMs = performance.now() - started;
    const plan = await admins[0]!.plan();
    await Promise.all(admins.map((admin) => admin.close()));
    expect(plan.changes).toEqual([]);
    const readers = ALL_TOPICS.reduce((sum, { readBy }) => sum + readBy.length, 0);
    expect(plan.unchanged).toHaveLength(ALL_TOPICS.length + readers);
    expect(tookMs).toBeLessThan(20_000);
    // Deleting them keeps the shared broker light for the other tests.
    const admin = new kafkajs.Kafka({ brokers: [brokers()], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [...plan.unchanged] });
    await admin.disconnect();
  });

  it('get partitions and configuration that were changed, and keep what is not declared', async () => {
    bench = await Bench.start([topic]);
    const raw = new kafkajs.Kafka({ brokers: [brokers()], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await raw.connect();
    const configEntries = [
      { name: 'retention.ms', value: '1000' },
      { name: 'segment.ms', value: '12345678' },
    ];
    const type = kafkajs.ConfigResourceTypes.TOPIC;
    const name = bench.prefix + topic.name;
    await raw.alterConfigs({ validateOnly: false, resources: [{ type, name, configEntries }] });
    await raw.disconnect();
    const overrides = new Map([[topic.name, { partitions: 5, replicas: 1 }]]);
    const plan = await withAdmin((admin) => admin.plan(overrides));
    expect(plan.changes.map(describeChange).join('\n').replaceAll(bench.prefix, '')).toBe(
      [
        'add partitions to planned.v1: 3 → 5 (keys move, so order across the change is not kept)',
        'configure planned.v1: retention.ms 1000 → 3600000, compression.type producer → uncompressed',
        `add partitions to ${DLT}: 3 → 5 (keys move, so order across the change is not kept)`,
        'add partitions to planned.v1.bongsu.audit.dlt: 3 → 5 (keys move, so order across the change is not kept)',
      ].join('\n'),
    );
    await withAdmin((admin) => admin.apply(plan));
    await withAdmin((admin) => admin.apply(plan)); // Twice: nothing is left to do, and that is no error.
    await expect.poll(async () => (await withAdmin((admin) => admin.plan(overrides))).changes).toEqual([]);
    const [found] = await withAdmin((admin) => admin.describe());
    expect(found).toMatchObject({ partitions: 5, config: { 'segment.ms': '12345678', 'retention.ms': '3600000' } });
    const fewer = await withAdmin((admin) => admin.plan());
    expect(fewer.changes).toEqual([]);
    expect(fewer.notes[0]).toContain('has 5 partitions, 3 are declared: it keeps them');
  });

  it('are done with when a connection breaks while brokers are asked whether they have heard', async () => {
    bench = await Bench.start([topic]);
    const proxy = await KafkaProxy.start({ broker: brokers() });
    const settings = bench.settings({ KAFKA_BROKERS: proxy.bootstrap });
    const topics = [topic, testTopic('another.v1', 2)];
    const admin = new TopicAdmin({ settings, logger: bench.log.logger, topics });
    const overrides = new Map([[topic.name, { partitions: 5, replicas: 1 }]]);
    try {
      const plan = await admin.plan(overrides);
      let [made, questions] = [false, 0];
      proxy.fate = ({ api }) => {
        made ||= api === CREATE_TOPICS;
        // The first after that is about the new topics' leaders.
        return made && api === METADATA && ++questions === 2 ? 'lose-request' : 'pass';
      };
      await admin.apply(plan);
      expect(questions).toBeGreaterThan(2);
      await expect.poll(async () => (await admin.plan(overrides)).changes).toEqual([]);
    } finally {
      await admin.close();
      await proxy.stop();
    }
  });

  it('show how far each group is behind', async () => {
    bench = await Bench.start([topic]);
    const producer = await bench.producer();
    await producer.sendAll([1, 2, 3].map((n) => numbered(topic, 'k', n)));
    const lags = await withAdmin((admin) => admin.consumerLag(['bongsu.notification', 'bongsu.status']));
    expect(lags.get('bongsu.status')).toEqual([]);
    const behind = lags.get('bongsu.notification')!.filter(({ lag }) => lag > 0n);
    expect(behind).toEqual([expect.objectContaining({ committed: undefined, end: 3n, lag: 3n })]);
  });
});
