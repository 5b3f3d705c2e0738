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

it('takes a shard that comes back over only when what was under way of it has ended', async () => {
  const { shards, own } = await replica();
  await own(SHARD);
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const seen: string[] = [];
  const work = (name: string, until?: Promise<void>) => async () => {
    await until;
    seen.push(name);
  };
  const before = [shards.beside(SHARD, work('beside', gate)), shards.exclusively(SHARD, work('alone', gate))];
  shards.lose(SHARD);
  const after = [shards.beside(SHARD, work('beside again'))];
  shards.lose(SHARD);
  after.push(shards.beside(SHARD, work('and again')));
  await sleep(100);
  expect(seen).toEqual([]);
  open();
  await Promise.all([...before, ...after]);
  expect(seen).toEqual(['beside', 'alone', 'beside again', 'and again']);
});

it('does not lose a shard that came back to an answer of before', async () => {
  const { shards, own } = await replica();
  await own(SHARD);
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const late = shards.beside(SHARD, async () => {
    await gate;
    throw shards.lost(SHARD);
  });
  shards.lose(SHARD);
  const again = own(SHARD);
  open();
  await expect(late).rejects.toThrow('belongs to another worker');
  await again;
  expect(shards.owned).toEqual([SHARD]);
});

it('has not caught up with a shard that went and came back while it was looked for what is there', async () => {
  const { shards, own } = await replica();
  await own(SHARD);
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const looked = shards.exclusively(SHARD, async () => {
    await gate;
    return shards.caughtUp(SHARD);
  });
  shards.lose(SHARD);
  const again = own(SHARD);
  open();
  expect(await looked).toBe(false);
  await again;
  expect(shards.isCatchingUp(SHARD)).toBe(true);
  expect(shards.caughtUp(SHARD)).toBe(true);
  expect(shards.isCatchingUp(SHARD)).toBe(false);
});
