import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { SHARD, ledgerRig } from './ledger-rig.js';

const { replica } = ledgerRig();

it('runs intake of several lanes beside each other, and commands alone', async () => {
  const { shards } = await replica();
  const running = new Set<string>();
  const seen: string[] = [];
  const work = (name: string) => async () => {
    running.add(name);
    seen.push([...running].toSorted().join('+'));
    await sleep(20);
    running.delete(name);
  };
  await Promise.all([
    shards.beside(SHARD, work('bulk')),
    shards.beside(SHARD, work('urgent')),
    shards.exclusively(SHARD, work('cancel')),
    shards.beside(SHARD, work('normal')),
    shards.exclusively(SHARD, work('redrive')),
  ]);
  expect(seen).toEqual(['bulk', 'bulk+urgent', 'cancel', 'normal', 'redrive']);
});

it('goes on after work that failed', async () => {
  const { shards } = await replica();
  const fails = () => Promise.reject(new Error('it fails'));
  const all = await Promise.allSettled([
    shards.beside(SHARD, fails),
    shards.exclusively(SHARD, fails),
    shards.beside(SHARD, () => Promise.resolve('done')),
    shards.exclusively(SHARD, () => Promise.resolve('done too')),
  ]);
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled']);
});
