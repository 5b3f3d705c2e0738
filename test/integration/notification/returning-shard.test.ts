import { setTimeout as sleep } from 'node:timers/promises';
import { query } from '@bongsu/persistence';
import { waitUntil } from '@bongsu/testing';
import { expect, it } from 'vitest';
import type { AcceptedRequest } from '../../../apps/notification/src/ledger/accepted.js';
import { startEngine } from './engine-rig.js';
import { SHARD, accepted, ledgerRig } from './ledger-rig.js';

/** Long enough for a batch to come before the look for what is in the ledger. */
const POLL_MS = 500;
const rig = ledgerRig();
const forOne = (count: number): AcceptedRequest[] =>
  Array.from({ length: count }, () => accepted({ recipient: { id: 'one' } }));
const idsOf = (batch: readonly AcceptedRequest[]): string[] => batch.map(({ request }) => request.id);

/** Keeps the lock until the function that it resolves with is called. */
async function locked(statement: string): Promise<() => Promise<void>> {
  const runner = rig.dataSource.createQueryRunner();
  await runner.startTransaction();
  await runner.query(statement);
  return async () => {
    await runner.rollbackTransaction();
    await runner.release();
  };
}

const someoneWaits = async (): Promise<boolean> => {
  const [row] = await query<{ waiting: string }>(
    rig.dataSource,
    "SELECT count(*) AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
  );
  return row?.waiting !== '0';
};

it('keeps first attempts in order when a shard comes back while a batch of before is still being written', async () => {
  const called: string[] = [];
  const engine = await startEngine(rig.dataSource, { capacity: 1_000, pollMs: POLL_MS }, (id) => void called.push(id));
  const goOn = await locked('LOCK TABLE notifications IN SHARE MODE');
  const { signal } = new AbortController();
  const [older, newer] = [forOne(20), forOne(5)];
  // Taken over a moment ago, so that what comes waits in the ledger until it is known what is there.
  await engine.assign([SHARD]);
  const before = engine.takeIn(SHARD, older, signal);
  await waitUntil('it is being written', someoneWaits);
  await engine.assign([]);
  const assigned = engine.assign([SHARD]);
  await sleep(2 * POLL_MS);
  await goOn();
  await Promise.all([before, assigned]);
  // What was not committed comes again, to whoever has the shard.
  await engine.takeIn(SHARD, older, signal);
  await engine.takeIn(SHARD, newer, signal);
  await waitUntil('all are called', () => called.length >= 25);
  expect(called).toEqual([...idsOf(older), ...idsOf(newer)]);
});

it('gives back, behind what is older, a page of the ledger that was leased when its shard had just been lost', async () => {
  const called: string[] = [];
  const { promise: begin, resolve: goAhead } = Promise.withResolvers<void>();
  const { promise: rest, resolve: goFurther } = Promise.withResolvers<void>();
  const engine = await startEngine(rig.dataSource, { capacity: 20, pollMs: 20 }, async (id) => {
    called.push(id);
    await (called.length <= 15 ? begin : rest);
  });
  await engine.assign([SHARD]);
  await waitUntil('it has caught up', () => !engine.shards.isCatchingUp(SHARD));
  const all = forOne(60);
  // More than memory holds: pages are read as it empties.
  await engine.takeIn(SHARD, all, new AbortController().signal);
  const unlock = await locked(`SELECT FROM shards WHERE shard = ${SHARD} FOR UPDATE`);
  goAhead();
  await waitUntil('a page is being leased', someoneWaits);
  await waitUntil('what is in memory waits', () => called.length === 16);
  await engine.assign([]);
  await unlock();
  goFurther();
  await sleep(200);
  await engine.assign([SHARD]);
  await waitUntil('all are called', () => called.length >= all.length);
  expect(called).toEqual(idsOf(all));
});

it('writes nothing for a batch that was told to stop while its shard was taken over', async () => {
  const engine = await startEngine(rig.dataSource, { capacity: 1_000, pollMs: POLL_MS }, () => undefined);
  await engine.assign([SHARD]);
  await engine.assign([]);
  const goOn = await locked(`SELECT FROM shards WHERE shard = ${SHARD} FOR UPDATE`);
  const assigned = engine.assign([SHARD]);
  const stop = new AbortController();
  const takingIn = engine.takeIn(SHARD, forOne(5), stop.signal).then(
    () => 'taken in',
    () => 'left',
  );
  await waitUntil('the shard is waited for', someoneWaits);
  stop.abort();
  await goOn();
  expect(await takingIn).toBe('left');
  await assigned;
  expect(await rig.rows()).toEqual([]);
});
