import { setTimeout as sleep } from 'node:timers/promises';
import type { Priority } from '@bongsu/contracts';
import { query } from '@bongsu/persistence';
import { waitUntil } from '@bongsu/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '../../../apps/notification/src/engine.js';
import type { AcceptedRequest } from '../../../apps/notification/src/ledger/accepted.js';
import { startEngine } from './engine-rig.js';
import { SHARD, accepted, ledgerRig } from './ledger-rig.js';

const rig = ledgerRig();
const many = (count: number, priority: Priority): AcceptedRequest[] =>
  Array.from({ length: count }, () => accepted({ priority }));

/** An engine whose memory is full, so that what it takes in waits in the ledger, and which gives way to an urgent delivery. */
async function fullAndYielding(): Promise<Engine> {
  const { promise: hanging, resolve: goOn } = Promise.withResolvers<void>();
  const calls: string[] = [];
  const engine = await startEngine(rig.dataSource, { capacity: 10, pollMs: 60_000 }, async (id) => {
    calls.push(id);
    await hanging;
  });
  onTestFinished(() => goOn());
  await engine.assign([SHARD]);
  await waitUntil('it has caught up', () => !engine.shards.isCatchingUp(SHARD));
  await engine.takeIn(SHARD, many(9, 'urgent'), new AbortController().signal);
  await waitUntil('urgent ones are under way', () => calls.length > 0);
  return engine;
}

const taken = async (): Promise<number> => (await rig.rows('priority = 2')).length;

describe('bulk that gives way while it is taken in', () => {
  it('leaves the rest of its batch, and its rest, when it is told to stop', async () => {
    const engine = await fullAndYielding();
    const stop = new AbortController();
    const takingIn = engine.takeIn(SHARD, many(500, 'bulk'), stop.signal);
    const ended = takingIn.then(
      () => 'taken in',
      () => 'left',
    );
    await waitUntil('the first are in the ledger', async () => (await taken()) > 0);
    const asked = performance.now();
    stop.abort();
    expect(await ended).toBe('left');
    expect(performance.now() - asked).toBeLessThan(900);
    expect(await taken()).toBeLessThan(300);
  });

  it('does not take the shard back from the worker that has it now', async () => {
    const engine = await fullAndYielding();
    const stop = new AbortController();
    const ended = engine.takeIn(SHARD, many(500, 'bulk'), stop.signal).catch(() => undefined);
    await waitUntil('the first are in the ledger', async () => (await taken()) > 0);
    stop.abort();
    await engine.assign([]);
    const heir = await rig.replica();
    await heir.own(SHARD);
    await ended;
    await sleep(100);
    const [owner] = await query<{ worker_id: string }>(
      rig.dataSource,
      'SELECT worker_id FROM shards WHERE shard = $1',
      [SHARD],
    );
    expect(owner!.worker_id).toBe(heir.worker.id);
  });

  it('rests longer than what is not bulk, which has no part in giving way', async () => {
    const engine = await fullAndYielding();
    const { signal } = new AbortController();
    const took = async (priority: Priority): Promise<number> => {
      const began = performance.now();
      await engine.takeIn(SHARD, many(90, priority), signal);
      return performance.now() - began;
    };
    // The first of each learns that there is no room.
    await took('normal');
    await took('bulk');
    expect(await took('normal')).toBeLessThan((await took('bulk')) / 2);
  });
});
