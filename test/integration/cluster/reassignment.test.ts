import { PartitionReassigner, type ReassignmentOptions, type ReassignmentPlan } from '@bongsu/kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
afterAll(async () => {
  reassigner.close();
  await bench.end();
  await cluster.end();
});

const AT_ONCE = { atOnce: 10, timeoutMs: 60_000 };

/** Plans made again and again until the promise is settled; those that are refused because of its moves are left out. */
async function plansUntil(settled: Promise<unknown>, options: ReassignmentOptions): Promise<ReassignmentPlan[]> {
  const another = new PartitionReassigner({ settings: bench.settings(), logger: bench.log.logger });
  const plans: ReassignmentPlan[] = [];
  const ended = new AbortController();
  void settled.catch(() => undefined).finally(() => ended.abort());
  try {
    while (!ended.signal.aborted) {
      const plan = await another.plan(options).catch((error: unknown) => {
        if (!/moved already|do not agree/.test(String(error))) throw error;
      });
      if (plan) plans.push(plan);
    }
  } finally {
    another.close();
  }
  return plans;
}

const held = async (): Promise<number[]> => (await cluster.partitions()).flatMap(({ replicas }) => replicas);

describe('partitions', { timeout: 120_000 }, () => {
  it('have moved for every broker when that is said, also for one that hears late', async () => {
    const ours = { topics: [bench.prefix + topic.name], brokers: [1, 2, 3] };
    const controller = await cluster.controller();
    const quicken = cluster.slowDown(controller === 1 ? 'kafka-2' : 'kafka-1', 500);
    try {
      for (const replicas of [1, 3, 1, 3]) {
        const applied = reassigner.apply(await reassigner.plan({ ...ours, replicas }), AT_ONCE);
        const others = plansUntil(applied, ours);
        await applied;
        expect((await reassigner.plan({ ...ours, replicas })).moves).toEqual([]);
        expect((await cluster.partitions(ours.topics)).map((each) => each.replicas.length)).toEqual(
          Array.from({ length: topic.partitions }, () => replicas),
        );
        // Another operator, who asks all the while, never takes a move under way for where the partitions are.
        for (const { placements } of await others)
          for (const each of placements) expect([1, 3]).toContain(each.replicas.length);
      }
    } finally {
      await quicken();
    }
  });

  it('move to a broker that joins and off one that leaves, while records flow', async () => {
    const traffic = await Traffic.start(bench, topic);
    const joined = await cluster.addBroker();
    expect(await held()).not.toContain(joined);

    const spread = await reassigner.plan();
    expect(spread.brokers.map(({ id, rack }) => [id, rack])).toEqual([1, 2, 3, joined].map((id) => [id, `rack-${id}`]));
    const steps: number[] = [];
    await reassigner.apply(spread, {
      ...AT_ONCE,
      onProgress: ({ done, total }) => steps.push(done / total),
    });
    expect(steps.at(-1)).toBe(1);
    const shares = async (): Promise<number[]> => {
      const ours = (await cluster.partitions([bench.prefix + topic.name])).flatMap(({ replicas }) => replicas);
      return [1, 2, 3, joined].map((id) => ours.filter((each) => each === id).length);
    };
    expect(await shares()).toEqual([6, 6, 6, 6]);
    expect((await reassigner.plan()).moves).toEqual([]);
    await traffic.flows();

    await reassigner.apply(await reassigner.plan({ brokers: [1, 2, joined] }), AT_ONCE);
    expect(await held()).not.toContain(3);
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
