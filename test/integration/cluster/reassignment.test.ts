import { PartitionReassigner } from '@bongsu/kafka';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Bench, testTopic } from '../kafka/harness.js';
import { Cluster } from './cluster.js';
import { Traffic } from './traffic.js';

const topic = testTopic('moving.v1', 8);
let cluster: Cluster;
let bench: Bench;
let reassigner: PartitionReassigner;

beforeAll(async () => {
  cluster = await Cluster.start();
  bench = await Bench.start([topic], cluster.env, 3);
  reassigner = new PartitionReassigner({ settings: bench.settings(), logger: bench.log.logger });
});
afterEach(() => bench.end());
afterAll(async () => {
  reassigner.close();
  await cluster.end();
});

const held = async (): Promise<number[]> => (await cluster.partitions()).flatMap(({ replicas }) => replicas);

describe('partitions', { timeout: 120_000 }, () => {
  it('move to a broker that joins and off one that leaves, while records flow', async () => {
    const traffic = await Traffic.start(bench, topic);
    const joined = await cluster.addBroker();
    expect(await held()).not.toContain(joined);

    const spread = await reassigner.plan();
    expect(spread.brokers.map(({ id, rack }) => [id, rack])).toEqual([1, 2, 3, joined].map((id) => [id, `rack-${id}`]));
    const steps: number[] = [];
    await reassigner.apply(spread, {
      atOnce: 10,
      timeoutMs: 60_000,
      onProgress: ({ done, total }) => steps.push(done / total),
    });
    expect(steps.at(-1)).toBe(1);
    const shares = async (): Promise<number[]> => {
      const ours = (await cluster.partitions([bench.prefix + topic.name])).flatMap(({ replicas }) => replicas);
      return [1, 2, 3, joined].map((id) => ours.filter((each) => each === id).length);
    };
    await expect.poll(shares).toEqual([6, 6, 6, 6]);
    // The broker that is asked may learn of it a moment later than the one that the reassigner asked.
    await expect.poll(async () => (await reassigner.plan()).moves).toEqual([]);
    await traffic.flows();

    await reassigner.apply(await reassigner.plan({ brokers: [1, 2, joined] }), { atOnce: 10, timeoutMs: 60_000 });
    await expect.poll(held).not.toContain(3);
    await cluster.stop('kafka-3');
    await traffic.flows();
    await cluster.isWhole();
    expect(await traffic.end()).toEqual([]);
  });

  it('are not moved to brokers that are not there or too few', async () => {
    await expect(reassigner.plan({ brokers: [1, 2, 9] })).rejects.toThrow('broker 9 is not up');
    await expect(reassigner.plan({ brokers: [1, 2] })).rejects.toThrow('3 replicas, and there are 2 brokers');
  });
});
