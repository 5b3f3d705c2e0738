import { setTimeout as sleep } from 'node:timers/promises';
import { newNotificationId } from '@bongsu/contracts';
import { query, transaction } from '@bongsu/persistence';
import { describe, expect, it } from 'vitest';
import { Backlog } from '../../../apps/notification/src/dispatch/backlog.js';
import { Claimer } from '../../../apps/notification/src/dispatch/claimer.js';
import { MemoryShares } from '../../../apps/notification/src/dispatch/schedule/shares.js';
import type { LeasedDelivery } from '../../../apps/notification/src/ledger/delivery.js';
import { ShardLostError, WorkerLostError } from '../../../apps/notification/src/ledger/shards.js';
import { reapDeadWorkers } from '../../../apps/notification/src/ledger/workers.js';
import { logger, relayTo, toNowhere } from './database.js';
import { FLOW, SHARD, accepted, ids, inLedger, inMemory, ledgerRig, settlement } from './ledger-rig.js';

const PART = { shard: SHARD, flow: FLOW, count: 10 };
const rig = ledgerRig();
const { replica, rows } = rig;

describe('dead workers', () => {
  it('sends what a dead worker had committed before its deliveries are free', async () => {
    const [dead, heir] = [await replica(1), await replica()];
    await dead.own(SHARD);
    const [one] = await dead.ledger.takeIn(SHARD, [accepted(), accepted()], inMemory, true);
    await dead.ledger.settle([settlement(one!, 'delivered')]);
    const sent: string[] = [];
    const freeWhenSent: boolean[] = [];
    const send = async (records: readonly { key: string }[]) => {
      freeWhenSent.push((await rows('worker_id IS NULL AND ended_at IS NULL')).length > 0);
      sent.push(...records.map(({ key }) => key));
    };
    await expect
      .poll(() => reapDeadWorkers(rig.dataSource, heir.worker.id, relayTo(send), logger))
      .toEqual([dead.worker.id]);
    expect(sent).toEqual(['default/user-1']);
    expect(freeWhenSent).toEqual([false]);
    expect(await rows('worker_id IS NULL AND ended_at IS NULL')).toHaveLength(1);
  });

  it('sends facts of a dead worker that the producer does not take all at once', async () => {
    const [dead, heir] = [await replica(1), await replica()];
    await dead.own(SHARD);
    const names = Array.from({ length: 20 }, (_, n) => `user-${n}`);
    const batch = names.map((id) => accepted({ recipient: { id } }));
    const leased = await dead.ledger.takeIn(SHARD, batch, inMemory, true);
    await dead.ledger.settle(leased.map((each) => settlement(each, 'delivered')));
    const sent: string[][] = [];
    const producer = relayTo(async (records) => void sent.push(records.map(({ key }) => key)), 1);
    await expect
      .poll(() => reapDeadWorkers(rig.dataSource, heir.worker.id, producer, logger))
      .toEqual([dead.worker.id]);
    expect(sent).toEqual(names.map((id) => [`default/${id}`]));
  });

  it('lets a worker that was taken for dead neither take a shard over nor claim', async () => {
    const [dead, heir] = [await replica(1), await replica()];
    await dead.own(SHARD);
    await dead.ledger.takeIn(SHARD, [accepted()], inLedger, false);
    await expect
      .poll(() => reapDeadWorkers(rig.dataSource, heir.worker.id, toNowhere, logger))
      .toEqual([dead.worker.id]);
    expect(await dead.ledger.claim([SHARD], 10)).toEqual([]);
    await expect(dead.ledger.takeIn(SHARD, [accepted()], inMemory, true)).rejects.toThrow(ShardLostError);
    await expect(dead.own(SHARD)).rejects.toThrow(WorkerLostError);
    expect(await rows('worker_id IS NOT NULL')).toEqual([]);
  });

  it('finds what a dying worker leased in the very moment it is cleared up after', async () => {
    const [dying, heir] = [await replica(1), await replica()];
    await dying.own(SHARD);
    const { promise: open, resolve: commit } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const leasing = transaction(rig.dataSource, async (tx) => {
      await dying.shards.assertOwned(tx, SHARD);
      begin();
      await tx.query(
        `INSERT INTO deliveries (id, notification_id, shard, priority, ordered, key, channel, status, worker_id)
         VALUES ($1, $1, $2, 1, false, 'k', 'log', 'pending', $3)`,
        [newNotificationId(), SHARD, dying.worker.id],
      );
      await open;
    });
    // On a busy machine the reaper would otherwise be first now and then, and there would be nothing to wait for.
    await begun;
    const reaping = reapDeadWorkers(rig.dataSource, heir.worker.id, toNowhere, logger);
    await expect
      .poll(() =>
        query(
          rig.dataSource,
          "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE shards%'",
        ),
      )
      .toHaveLength(1);
    commit();
    await leasing;
    expect(await reaping).toEqual([dying.worker.id]);
    expect(await rows()).toMatchObject([{ worker_id: null }]);
  });

  it('leaves a worker alone that renews its lease, and is stopped by none that does not', async () => {
    const [alive, other] = [await replica(1500), await replica()];
    alive.worker.start(() => expect.unreachable('it was not taken for dead'));
    for (const until = Date.now() + 2500; Date.now() < until; await sleep(50))
      expect(await reapDeadWorkers(rig.dataSource, other.worker.id, toNowhere, logger)).toEqual([]);
    expect(alive.worker.mayStart).toBe(true);
    alive.worker.stopRenewing();
    await expect.poll(() => alive.worker.mayStart, { timeout: 5000 }).toBe(false);
  });

  it('keeps two keys apart while a shard changes hands: what a living former owner holds is not overtaken', async () => {
    const [former, owner] = [await replica(), await replica()];
    await former.own(SHARD);
    const held = accepted({ recipient: { id: 'slow' } });
    const [inFlight] = await former.ledger.takeIn(SHARD, [held], inMemory, true);
    await owner.own(SHARD);
    const [same, other] = [accepted({ recipient: { id: 'slow' } }), accepted({ recipient: { id: 'other' } })];
    expect(owner.shards.isCatchingUp(SHARD)).toBe(true);
    await owner.ledger.takeIn(SHARD, [same, other], inLedger, false);
    expect(ids(await owner.ledger.leaseBacklog([PART]))).toEqual([other.request.id]);
    expect(await owner.ledger.heldByOthers(SHARD)).toBe(true);
    await former.ledger.settle([settlement(inFlight!, 'delivered')]);
    expect(ids(await owner.ledger.leaseBacklog([PART]))).toEqual([same.request.id]);
    expect(await owner.ledger.heldByOthers(SHARD)).toBe(false);
  });

  it('has not caught up before it has claimed what a dead worker left, also when that is freed while it looks', async () => {
    const [dead, heir] = [await replica(1), await replica()];
    await dead.own(SHARD);
    const left = accepted();
    await dead.ledger.takeIn(SHARD, [left], inMemory, true);
    await heir.own(SHARD);
    const { ledger, shards } = heir;
    const claimed: LeasedDelivery[] = [];
    const claimedThen: string[][] = [];
    const caughtUp = shards.caughtUp.bind(shards);
    shards.caughtUp = (shard) => {
      claimedThen.push(ids(claimed));
      return caughtUp(shard);
    };
    const claimer = new Claimer({
      ledger: {
        backlog: (of) => ledger.backlog(of),
        emptyBacklog: (parts) => ledger.emptyBacklog(parts),
        findLost: () => ledger.findLost(),
        findUnheard: () => ledger.findUnheard(),
        giveBack: (of) => ledger.giveBack(of),
        heldByOthers: (shard) => ledger.heldByOthers(shard),
        leaseBacklog: (parts) => ledger.leaseBacklog(parts),
        claim: async (of, limit) => {
          const found = await ledger.claim(of, limit);
          await reapDeadWorkers(rig.dataSource, heir.worker.id, toNowhere, logger);
          return found;
        },
      },
      shards,
      dispatcher: {
        add: (deliveries) => void claimed.push(...deliveries),
        flowOf: () => FLOW,
        isYielding: false,
        shares: new MemoryShares(100),
      },
      backlog: new Backlog(),
      logger,
      pollMs: 20,
    });
    claimer.start();
    await expect.poll(() => shards.isCatchingUp(SHARD)).toBe(false);
    await claimer.stop();
    expect(claimedThen).toEqual([[left.request.id]]);
  });
});
