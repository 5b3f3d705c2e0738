import { Outbox, StreamClosedError, query, transaction } from '@bongsu/persistence';
import { describe, expect, it } from 'vitest';
import { SHARD, accepted, inMemory, ledgerRig, settlement } from './ledger-rig.js';

const rig = ledgerRig();
const { replica, rows } = rig;

const positions = async (): Promise<number[]> =>
  (await query<{ seq: string }>(rig.dataSource, 'SELECT seq FROM outbox ORDER BY seq')).map(({ seq }) => Number(seq));

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

describe('settling', () => {
  it('takes turns with others that append to the same outbox: no number twice, none left out', async () => {
    const { ledger, own, worker } = await replica();
    await own(SHARD);
    const requests = Array.from({ length: 200 }, (_, n) => accepted({ recipient: { id: `user-${n}` } }));
    const deliveries = await ledger.takeIn(SHARD, requests, inMemory, true);
    const settled = deliveries.map((delivery) => settlement(delivery, 'delivered'));
    const batches = Array.from({ length: 40 }, (_, n) => settled.slice(n * 5, n * 5 + 5));
    const record = settled[0]!.fact!;
    await Promise.all([
      ...batches.map((batch) => ledger.settle(batch)),
      ...batches.map(() => transaction(rig.dataSource, (tx) => Outbox.append(tx, worker.stream, [record, record]))),
    ]);
    expect(await positions()).toEqual(upTo(200 + 80));
    const [stream] = await query<{ last_seq: string }>(rig.dataSource, 'SELECT last_seq FROM outbox_streams');
    expect(stream).toEqual({ last_seq: '280' });
  });

  it('writes no facts of leases that were lost, and leaves no gap', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const deliveries = await ledger.takeIn(SHARD, [accepted(), accepted(), accepted()], inMemory, true);
    await ledger.giveBack([deliveries[1]!.id]);
    await ledger.settle(deliveries.map((delivery) => settlement(delivery, 'delivered')));
    expect((await rows(`status = 'delivered'`)).map(({ id }) => id)).toEqual([deliveries[0]!.id, deliveries[2]!.id]);
    expect(await positions()).toEqual([1, 2]);
  });

  it('writes nothing when the outbox is closed while it waits for its turn', async () => {
    const { ledger, own, worker } = await replica();
    await own(SHARD);
    const [one] = await ledger.takeIn(SHARD, [accepted()], inMemory, true);
    const { promise: deleted, resolve: close } = Promise.withResolvers<void>();
    const { promise: open, resolve: commit } = Promise.withResolvers<void>();
    const closing = transaction(rig.dataSource, async (tx) => {
      await tx.query('DELETE FROM outbox_streams WHERE stream = $1', [worker.stream]);
      close();
      await open;
    });
    await deleted;
    const settling = ledger.settle([settlement(one!, 'delivered')]);
    // It may be refused before the one that refuses it is seen to have ended.
    settling.catch(() => undefined);
    const waits = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    await expect.poll(async () => (await query<{ n: number }>(rig.dataSource, waits))[0]!.n).toBe(1);
    commit();
    await closing;
    await expect(settling).rejects.toThrow(StreamClosedError);
    expect(await rows(`status = 'delivered'`)).toEqual([]);
    expect(await positions()).toEqual([]);
  });
});
