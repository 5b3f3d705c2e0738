import { describe, expect, it } from 'vitest';
import { FLOW, SHARD, accepted, cancelledFact, ids, inLedger, inMemory, ledgerRig, settlement } from './ledger-rig.js';

const rig = ledgerRig();
const { replica, rows } = rig;
const PART = { shard: SHARD, flow: FLOW, count: 2 };

describe('what waits in the ledger because memory is full', () => {
  it('is leased in the order accepted, a page at a time, and once', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const batch = [accepted(), accepted(), accepted()];
    expect(await ledger.takeIn(SHARD, batch, inLedger, true)).toEqual([]);
    expect(await ledger.claim([SHARD], 10)).toEqual([]);
    const [a, b, c] = batch.map(({ request }) => request.id);
    expect(ids(await ledger.leaseBacklog([PART]))).toEqual([a, b]);
    expect(await ledger.emptyBacklog([PART])).toEqual([]);
    expect(ids(await ledger.leaseBacklog([PART]))).toEqual([c]);
    expect(await ledger.leaseBacklog([PART])).toEqual([]);
    expect(await ledger.emptyBacklog([PART])).toEqual([PART]);
  });

  it('is known flow by flow after a restart', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    await ledger.takeIn(SHARD, [accepted({ priority: 'bulk' }), accepted({ priority: 'bulk' })], inLedger, true);
    await ledger.takeIn(SHARD, [accepted({ priority: 'urgent' })], () => '-7', true);
    expect(await ledger.backlog([SHARD])).toEqual([
      { shard: SHARD, flow: '-7', priority: 'urgent', count: 1 },
      { shard: SHARD, flow: FLOW, priority: 'bulk', count: 2 },
    ]);
    expect(await ledger.backlog([SHARD + 1])).toEqual([]);
  });

  it('goes to nobody who does not own the shard', async () => {
    const [former, owner] = [await replica(), await replica()];
    await former.own(SHARD);
    await former.ledger.takeIn(SHARD, [accepted()], inLedger, true);
    await owner.own(SHARD);
    expect(await former.ledger.leaseBacklog([PART])).toEqual([]);
    expect(await owner.ledger.leaseBacklog([PART])).toHaveLength(1);
  });

  it('is settled like everything else, and given back for others to claim', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    await ledger.takeIn(SHARD, [accepted(), accepted()], inLedger, true);
    const [first, second] = await ledger.leaseBacklog([PART]);
    await ledger.settle([settlement(first!, 'delivered')]);
    await ledger.giveBack([second!.id]);
    expect(await rows()).toMatchObject([
      { status: 'delivered', worker_id: null, flow: null },
      { status: 'pending', worker_id: null, flow: null },
    ]);
    expect(await ledger.claim([SHARD], 10)).toMatchObject([{ id: second!.id }]);
  });

  it('ends at once when it is cancelled, before its request came too', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const [waiting, overtaken] = [accepted(), accepted()];
    const cancel = (id: string) =>
      ledger.cancel(SHARD, [{ notificationId: id, requestedAt: new Date().toISOString() }], cancelledFact);
    await ledger.takeIn(SHARD, [waiting], inLedger, true);
    await cancel(waiting.request.id);
    expect(await rows()).toMatchObject([{ status: 'cancelled', flow: null }]);
    await cancel(overtaken.request.id);
    await ledger.takeIn(SHARD, [overtaken], inLedger, true);
    expect(await ledger.claim([SHARD], 10)).toMatchObject([{ cancelled: true }]);
    expect(await ledger.leaseBacklog([PART])).toEqual([]);
  });

  it('does not hold what is scheduled or in strict order, which waits there anyway', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const later = accepted({ sendAt: new Date(Date.now() + 60_000).toISOString() });
    const [ordered] = await ledger.takeIn(SHARD, [later, accepted({ orderingKey: 'o' })], inLedger, true);
    expect(ordered).toMatchObject({ ordered: true });
    expect(await rows('flow IS NOT NULL')).toEqual([]);
    expect(await ledger.takeIn(SHARD, [accepted()], inMemory, true)).toHaveLength(1);
  });
});
