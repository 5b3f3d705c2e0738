import { describe, expect, it } from 'vitest';
import type { Ledger } from '../../../apps/notification/src/ledger/ledger.js';
import { SHARD, accepted, cancelledFact, inMemory, ledgerRig, settlement } from './ledger-rig.js';

const rig = ledgerRig();
const { replica, rows, facts } = rig;

describe('strict order', () => {
  const ordered = () => accepted({ orderingKey: 'order-42' });

  it('lets the next start only when the one before has ended, over batches and retries', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const [a, b, c] = [ordered(), ordered(), ordered()];
    const [first, ...rest] = await ledger.takeIn(SHARD, [a, b], inMemory, true);
    expect([first!.notificationId, rest.length]).toEqual([a.request.id, 0]);
    expect(await ledger.takeIn(SHARD, [c], inMemory, true)).toEqual([]);
    expect(await ledger.settle([settlement(first!, 'retrying', new Date(Date.now() - 1))])).toEqual([]);
    const [again, ...none] = await ledger.claim([SHARD], 10);
    expect([again!.notificationId, none.length]).toEqual([a.request.id, 0]);
    const [second] = await ledger.settle([settlement(again!, 'delivered')]);
    expect(second!.notificationId).toBe(b.request.id);
    const [third] = await ledger.settle([settlement(second!, 'delivered')]);
    expect(third!.notificationId).toBe(c.request.id);
    expect(await ledger.settle([settlement(third!, 'delivered')])).toEqual([]);
  });

  it('is not stuck by records that come again', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const [a, b] = [ordered(), ordered()];
    const [first] = await ledger.takeIn(SHARD, [a], inMemory, true);
    await ledger.settle([settlement(first!, 'delivered')]);
    const [second, ...none] = await ledger.takeIn(SHARD, [a, b], inMemory, true);
    expect([second!.notificationId, none.length]).toEqual([b.request.id, 0]);
  });

  it('passes over a cancelled one', async () => {
    const { ledger, own, shards } = await replica();
    await own(SHARD);
    shards.caughtUp(SHARD);
    const [a, b, c] = [ordered(), ordered(), ordered()];
    const [first] = await ledger.takeIn(SHARD, [a, b, c], inMemory, true);
    await ledger.cancel(
      SHARD,
      [{ notificationId: b.request.id, requestedAt: new Date().toISOString() }],
      cancelledFact,
    );
    const [next] = await ledger.settle([settlement(first!, 'delivered')]);
    expect(next!.notificationId).toBe(c.request.id);
  });
});

describe('cancelling', () => {
  const cancel = (ledger: Ledger, id: string) =>
    ledger.cancel(SHARD, [{ notificationId: id, requestedAt: new Date().toISOString() }], cancelledFact);

  it('ends what waits in the ledger, and says so', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const later = accepted({ sendAt: new Date(Date.now() + 60_000).toISOString() });
    await ledger.takeIn(SHARD, [later], inMemory, true);
    await cancel(ledger, later.request.id);
    expect(await rows()).toMatchObject([{ status: 'cancelled' }]);
    expect(JSON.parse((await facts())[0]!.value.toString())).toMatchObject({ status: 'cancelled', version: 1 });
    await cancel(ledger, later.request.id);
    expect(await facts()).toHaveLength(1);
  });

  it('wins when it overtakes its request', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const [now, later] = [accepted(), accepted({ sendAt: new Date(Date.now() + 60_000).toISOString() })];
    await cancel(ledger, now.request.id);
    await cancel(ledger, later.request.id);
    const leased = await ledger.takeIn(SHARD, [now], inMemory, true);
    expect(leased).toMatchObject([{ notificationId: now.request.id, cancelled: true }]);
    await ledger.takeIn(SHARD, [later], inMemory, true);
    expect(await ledger.claim([SHARD], 10)).toMatchObject([{ notificationId: later.request.id, cancelled: true }]);
  });
});
