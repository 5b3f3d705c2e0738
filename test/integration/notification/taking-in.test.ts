import { deliveryId } from '@bongsu/contracts';
import { Outbox, StreamClosedError, query, transaction } from '@bongsu/persistence';
import { describe, expect, it } from 'vitest';
import { ShardLostError } from '../../../apps/notification/src/ledger/shards.js';
import { reapDeadWorkers } from '../../../apps/notification/src/ledger/workers.js';
import { logger, toNowhere } from './database.js';
import { SHARD, accepted, ids, inMemory, ledgerRig, settlement } from './ledger-rig.js';

const rig = ledgerRig();
const { replica, rows, facts } = rig;

describe('taking in', () => {
  it('leases the deliveries of a batch to this worker, in order', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const batch = [accepted({ channels: ['log', 'email'] }), accepted()];
    const leased = await ledger.takeIn(SHARD, batch, inMemory, true);
    expect(leased.map(({ id }) => id)).toEqual([
      deliveryId(batch[0]!.request.id, 'log'),
      deliveryId(batch[0]!.request.id, 'email'),
      deliveryId(batch[1]!.request.id, 'log'),
    ]);
    expect((await rows()).every((row) => row.worker_id !== null && row.status === 'pending')).toBe(true);
  });

  it('changes nothing when the same records come again, in another batch or in the same one', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const one = accepted();
    expect(await ledger.takeIn(SHARD, [one, one], inMemory, true)).toHaveLength(1);
    expect(await rows()).toHaveLength(1);
    expect(await ledger.takeIn(SHARD, [one], inMemory, true)).toHaveLength(0);
    expect(await rows()).toHaveLength(1);
  });

  it('lets nothing be written by a process whose shard has gone to another', async () => {
    const [first, second] = [await replica(), await replica()];
    await first.own(SHARD);
    await second.own(SHARD);
    await expect(first.ledger.takeIn(SHARD, [accepted()], inMemory, true)).rejects.toThrow(ShardLostError);
    expect(await rows()).toHaveLength(0);
    expect(await second.ledger.takeIn(SHARD, [accepted()], inMemory, true)).toHaveLength(1);
  });

  it('keeps what is scheduled for later, and hands it out when it is due', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const later = accepted({ sendAt: new Date(Date.now() + 400).toISOString() });
    expect(await ledger.takeIn(SHARD, [later], inMemory, true)).toHaveLength(0);
    expect(await rows()).toMatchObject([{ status: 'deferred', worker_id: null }]);
    expect(await ledger.claim([SHARD], 10)).toHaveLength(0);
    await expect.poll(async () => ids(await ledger.claim([SHARD], 10))).toEqual([later.request.id]);
  });
});

describe('settling', () => {
  it('writes outcome and fact in one transaction', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const [delivery] = await ledger.takeIn(SHARD, [accepted()], inMemory, true);
    await ledger.settle([settlement(delivery!, 'delivered')]);
    expect(await rows()).toMatchObject([{ status: 'delivered', worker_id: null }]);
    const [fact] = await facts();
    expect(JSON.parse(fact!.value.toString())).toMatchObject({
      deliveryId: delivery!.id,
      status: 'delivered',
      version: 1,
    });
  });

  it('hands a retry out when it is due, with its attempts counted', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const [delivery] = await ledger.takeIn(SHARD, [accepted()], inMemory, true);
    await ledger.settle([settlement(delivery!, 'retrying', new Date(Date.now() - 1))]);
    expect(await ledger.claim([SHARD], 10)).toMatchObject([{ id: delivery!.id, attempts: 1, version: 1 }]);
  });

  it('drops the outcome of a lease that was lost, together with its fact', async () => {
    const [zombie, heir] = [await replica(1), await replica()];
    await zombie.own(SHARD);
    const [delivery] = await zombie.ledger.takeIn(SHARD, [accepted()], inMemory, true);
    await expect
      .poll(() => reapDeadWorkers(rig.dataSource, heir.worker.id, toNowhere, logger))
      .toEqual([zombie.worker.id]);
    await heir.own(SHARD);
    const [again] = await heir.ledger.claim([SHARD], 10);
    expect(again!.id).toBe(delivery!.id);
    await expect(zombie.ledger.settle([settlement(delivery!, 'delivered')])).rejects.toThrow(StreamClosedError);
    expect(await rows()).toMatchObject([{ status: 'pending', worker_id: heir.worker.id }]);
    expect(await facts()).toHaveLength(0);
  });
});

describe('the outbox', () => {
  it('keeps the order of commits within a stream under concurrent writers', async () => {
    await transaction(rig.dataSource, (tx) => Outbox.open(tx, 'contended'));
    const write = (n: number) =>
      transaction(rig.dataSource, (tx) =>
        Outbox.append(tx, 'contended', [{ topic: 't', key: String(n), value: Buffer.from('{}'), headers: {} }]),
      );
    await Promise.all(Array.from({ length: 50 }, (_, n) => write(n)));
    const seqs = await query<{ seq: string }>(
      rig.dataSource,
      "SELECT seq FROM outbox WHERE stream = 'contended' ORDER BY seq",
    );
    expect(seqs.map(({ seq }) => Number(seq))).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
  });
});
