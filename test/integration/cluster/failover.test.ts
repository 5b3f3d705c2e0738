import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Bench, testTopic } from '../kafka/harness.js';
import { Cluster } from './cluster.js';
import { Traffic } from './traffic.js';

const topic = testTopic('cluster.v1', 8);
let cluster: Cluster;
let bench: Bench;
let traffic: Traffic;

beforeAll(async () => {
  cluster = await Cluster.start();
});
afterAll(() => cluster.end());
beforeEach(async () => {
  bench = await Bench.start([topic], cluster.env, 3);
  traffic = await Traffic.start(bench, topic);
});
afterEach(() => bench.end());

const ours = () => cluster.partitions([bench.prefix + topic.name]);

// 6 s until a dead broker's session is over, as much for a consumer whose coordinator it was, and then the checks.
describe('three brokers', { timeout: 120_000 }, () => {
  it('share the partitions and the leading of a topic, and keep each record three times', async () => {
    const partitions = await ours();
    expect(partitions).toHaveLength(8);
    expect(partitions.every(({ replicas }) => new Set(replicas).size === 3)).toBe(true);
    expect(new Set(partitions.map(({ leader }) => leader))).toEqual(new Set([1, 2, 3]));
    const ofKafka = await cluster.partitions(['__consumer_offsets']);
    expect(ofKafka.every(({ replicas }) => replicas.length === 3)).toBe(true);
    expect(await traffic.end()).toEqual([]);
  });

  it('lose and reorder nothing when a leader is killed', async () => {
    const [first] = await ours();
    await cluster.kill(`kafka-${first!.leader}`);
    await traffic.flows();
    expect((await ours()).every(({ leader }) => leader > 0 && leader !== first!.leader)).toBe(true);
    await cluster.start(`kafka-${first!.leader}`);
    await cluster.isWhole();
    expect(await traffic.end()).toEqual([]);
  });

  it('lose and reorder nothing when the controller is killed, and have another one', async () => {
    const controller = await cluster.controller();
    await cluster.kill(`kafka-${controller}`);
    await traffic.flows();
    expect(await cluster.controller()).not.toBe(controller);
    await cluster.start(`kafka-${controller}`);
    await cluster.isWhole();
    expect(await traffic.end()).toEqual([]);
  });

  it('go on while the leading ZooKeeper is away, also when a broker leaves meanwhile', async () => {
    const leader = await cluster.zooKeeperLeader();
    await cluster.kill(leader);
    await traffic.flows();
    // Needs a ZooKeeper that decides: leaders are elected there.
    await cluster.stop('kafka-2');
    await traffic.flows();
    await cluster.start('kafka-2');
    await cluster.start(leader);
    await cluster.isWhole();
    expect(await traffic.end()).toEqual([]);
  });
});
