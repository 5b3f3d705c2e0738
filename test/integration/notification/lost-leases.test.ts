import { setTimeout as sleep } from 'node:timers/promises';
import { poolOf, query } from '@bongsu/persistence';
import { describe, expect, it, vi } from 'vitest';
import { BROKEN, flakyWorkers } from './flaky-workers.js';
import { FLOW, SHARD, accepted, cancelledFact, ids, inLedger, inMemory, ledgerRig, settlement } from './ledger-rig.js';

const rig = ledgerRig();
const { replica, rows } = rig;
const PART = { shard: SHARD, flow: FLOW, count: 2 };

const flaky = flakyWorkers(rig);
const { worker } = flaky;

const users = (...names: string[]) => names.map((id) => accepted({ recipient: { id } }));
const ordered = () => accepted({ orderingKey: 'order-42' });
const cancellation = (notificationId: string) => ({ notificationId, requestedAt: new Date().toISOString() });

/** Deliveries whose retry is due. */
async function due({ ledger }: Awaited<ReturnType<typeof worker>>, count: number) {
  const names = Array.from({ length: count }, (_, n) => `user-${n}`);
  const leased = await ledger.takeIn(SHARD, users(...names), inMemory, true);
  await ledger.settle(leased.map((each, n) => settlement(each, 'retrying', new Date(Date.now() - 1000 + n))));
  return ids(leased);
}

it('gives back what it finds of a shard that is catching up: older ones may have gone back before', async () => {
  const { ledger, own, shards, found, worker: self } = await replica();
  await own(SHARD);
  await ledger.takeIn(SHARD, users('a'), inLedger, false);
  const lease = () => query(rig.dataSource, 'UPDATE deliveries SET worker_id = $1, flow = NULL', [self.id]);
  await lease();
  await ledger.findLost();
  expect(found).toEqual([]);
  expect(await rows('worker_id IS NULL')).toHaveLength(1);
  shards.caughtUp(SHARD);
  await lease();
  await ledger.findLost();
  expect(found).toHaveLength(1);
});

describe('a statement that was committed while its connection broke', () => {
  it('had taken a batch in: it is started, once, though the batch comes again', async () => {
    const { ledger, found } = await worker();
    const batch = users('a', 'b');
    void flaky.proxy.break('ledger_insert_accepted');
    await expect(ledger.takeIn(SHARD, batch, inMemory, true)).rejects.toThrow(BROKEN);
    expect(await ledger.takeIn(SHARD, batch, inMemory, true)).toEqual([]);
    expect(ids(found)).toEqual(batch.map(({ request }) => request.id));
    await ledger.findLost();
    expect(found).toHaveLength(2);
  });

  it('had claimed: what it claimed is there before anything else is claimed', async () => {
    const made = await worker();
    const [first, second, third] = await due(made, 3);
    const { ledger, found } = made;
    void flaky.proxy.break('COMMIT');
    await expect(ledger.claim([SHARD], 2)).rejects.toThrow(BROKEN);
    const next = ledger.claim([SHARD], 2).then((claimed) => [...ids(found), ...ids(claimed)]);
    expect(await next).toEqual([first, second, third]);
    expect(found).toMatchObject([{ attempts: 1, version: 1 }, { attempts: 1 }]);
  });

  it('had read a page of the backlog: the page is there before the next one', async () => {
    const { ledger, found } = await worker();
    const batch = [accepted(), accepted(), accepted()];
    await ledger.takeIn(SHARD, batch, inLedger, true);
    void flaky.proxy.break('COMMIT');
    await expect(ledger.leaseBacklog([PART])).rejects.toThrow(BROKEN);
    const next = ledger.leaseBacklog([PART]).then((page) => [...ids(found), ...ids(page)]);
    expect(await next).toEqual(batch.map(({ request }) => request.id));
  });

  it('had ended a delivery and woken the next of its key', async () => {
    const { ledger, found } = await worker();
    const [a, b] = [ordered(), ordered()];
    const [first] = await ledger.takeIn(SHARD, [a, b], inMemory, true);
    void flaky.proxy.break('COMMIT');
    await expect(ledger.settle([settlement(first!, 'delivered')])).rejects.toThrow(BROKEN);
    expect(await ledger.settle([settlement(first!, 'delivered')])).toEqual([]);
    await ledger.findUnheard();
    expect(ids(found)).toEqual([b.request.id]);
    expect(await rows('worker_id IS NOT NULL')).toHaveLength(1);
  });

  it('had written an outcome: written again, it does not touch the attempt that was claimed meanwhile', async () => {
    const { ledger, worker: self } = await worker();
    const [one] = await ledger.takeIn(SHARD, [accepted()], inMemory, true);
    const retry = settlement(one!, 'retrying', new Date(Date.now() - 1));
    void flaky.proxy.break('ledger_settle');
    await expect(ledger.settle([retry])).rejects.toThrow(BROKEN);
    expect(await ledger.claim([SHARD], 10)).toMatchObject([{ version: 1 }]);
    await ledger.settle([retry]);
    expect(await rows()).toMatchObject([{ worker_id: self.id }]);
    expect(await rig.facts()).toHaveLength(1);
  });

  it('had put a delivery off: written again, it does not free what was claimed meanwhile', async () => {
    const { ledger, worker: self } = await worker();
    const [one] = await ledger.takeIn(SHARD, [accepted()], inMemory, true);
    const { fact: _, ...quiet } = settlement(one!, 'retrying', new Date(Date.now() - 1));
    const postponement = { ...quiet, version: one!.version, postponed: true, fact: undefined };
    void flaky.proxy.break('ledger_settle');
    await expect(ledger.settle([postponement])).rejects.toThrow(BROKEN);
    expect(await ledger.claim([SHARD], 10)).toMatchObject([{ version: 0, postponed: true }]);
    await ledger.settle([postponement]);
    expect(await rows()).toMatchObject([{ worker_id: self.id }]);
    await ledger.findLost();
    expect(await ledger.claim([SHARD], 10)).toEqual([]);
  });

  it('had cancelled a delivery and woken the next of its key', async () => {
    const { ledger, found } = await worker();
    const [a, b] = [ordered(), ordered()];
    const [first] = await ledger.takeIn(SHARD, [a, b], inMemory, true);
    await ledger.giveBack([first!.id]);
    void flaky.proxy.break('COMMIT');
    const cancel = () => ledger.cancel(SHARD, [cancellation(a.request.id)], cancelledFact);
    await expect(cancel()).rejects.toThrow(BROKEN);
    expect(await cancel()).toEqual({ ended: [], woken: [] });
    await ledger.findUnheard();
    expect(ids(found)).toEqual([b.request.id]);
  });

  it('is waited for when PostgreSQL is still at it', async () => {
    const { ledger, found } = await worker();
    const batch = users('a', 'b');
    // It has to wait for one who inserts the same notification, and who gives it up in the end.
    const runner = rig.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query(
      `INSERT INTO notifications (id, tenant, recipient_id, key, accepted_at, request) VALUES ($1, 't', 'r', 'k', now(), '')`,
      [batch[0]!.request.id],
    );
    void flaky.proxy.break('ledger_insert_accepted', 'sent');
    await expect(ledger.takeIn(SHARD, batch, inMemory, true)).rejects.toThrow(BROKEN);
    const waiting = (text: string) =>
      query(
        rig.dataSource,
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1`,
        [`%${text}%`],
      );
    await expect.poll(() => waiting('INSERT INTO notifications')).toHaveLength(1);
    const claiming = ledger.claim([SHARD], 10);
    await expect.poll(() => waiting('FROM shards')).toHaveLength(2);
    expect(found).toEqual([]);
    await runner.rollbackTransaction();
    await runner.release();
    expect(await claiming).toEqual([]);
    expect(ids(found)).toEqual(batch.map(({ request }) => request.id));
  });
});

it('keeps nobody waiting for long behind a transaction that does not end', async () => {
  const made = await worker();
  const [one] = await due(made, 1);
  const runner = rig.dataSource.createQueryRunner();
  await runner.startTransaction();
  await runner.query('SELECT FROM shards FOR SHARE');
  try {
    void flaky.proxy.break('ledger_insert_accepted');
    await expect(made.ledger.takeIn(SHARD, [accepted()], inMemory, true)).rejects.toThrow(BROKEN);
    const began = performance.now();
    expect(ids(await made.ledger.claim([SHARD], 10))).toEqual([one]);
    expect(performance.now() - began).toBeLessThan(12_000);
  } finally {
    await runner.rollbackTransaction();
    await runner.release();
  }
}, 40_000);

describe('leases that got lost otherwise', () => {
  it('are given back where the shard is no longer its own', async () => {
    const { ledger, shards, found } = await worker();
    const [one] = await ledger.takeIn(SHARD, [accepted()], inMemory, true);
    const heir = await replica();
    await heir.own(SHARD);
    shards.lose(SHARD);
    // As when a process is cut off from its database: nothing of it arrives.
    const breaking = vi.spyOn(poolOf(flaky.dataSource), 'query').mockImplementationOnce(() => {
      throw new Error('Connection terminated unexpectedly');
    });
    await expect(ledger.giveBack([one!.id])).rejects.toThrow(BROKEN);
    breaking.mockRestore();
    expect(await heir.ledger.heldByOthers(SHARD)).toBe(true);
    await ledger.findUnheard();
    expect(found).toEqual([]);
    expect(await heir.ledger.heldByOthers(SHARD)).toBe(false);
    expect(ids(await heir.ledger.claim([SHARD], 10))).toEqual([one!.notificationId]);
  });

  it('are found by the regular look, whatever lost them', async () => {
    const made = await worker();
    const { ledger, worker: self, found } = made;
    const [first, second] = await due(made, 2);
    await query(rig.dataSource, 'UPDATE deliveries SET worker_id = $1 WHERE notification_id = $2', [self.id, second]);
    expect(ids(await ledger.claim([SHARD], 10))).toEqual([first]);
    await ledger.findLost();
    expect(ids(found)).toEqual([second]);
  });

  it('are not those whose answer is on its way', async () => {
    const made = await worker();
    await due(made, 2);
    const { ledger, found } = made;
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    const { promise: committed, resolve: commit } = Promise.withResolvers<void>();
    const client = await poolOf(flaky.dataSource).connect();
    const ask = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>;
    const answerLate: (...given: unknown[]) => unknown = async (...given) => {
      const answer = await ask(...given);
      if (given[0] !== 'COMMIT') return answer;
      commit();
      await arrived;
      return answer;
    };
    const slow = vi.spyOn(client, 'query').mockImplementation(answerLate);
    const giveIt: () => unknown = () => Promise.resolve(client);
    vi.spyOn(poolOf(flaky.dataSource), 'connect').mockImplementationOnce(giveIt);
    const claiming = ledger.claim([SHARD], 10);
    await committed;
    const looking = ledger.findLost();
    await sleep(200);
    arrive();
    expect(await claiming).toHaveLength(2);
    slow.mockRestore();
    await looking;
    expect(found).toEqual([]);
  });
});
