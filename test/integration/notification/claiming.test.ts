import { query } from '@bongsu/persistence';
import { describe, expect, it } from 'vitest';
import { CLAIM_DUE } from '../../../apps/notification/src/ledger/sql/claim-due.js';
import { accepted, ids, inMemory, ledgerRig, settlement } from './ledger-rig.js';

const rig = ledgerRig();
const SHARDS = [1, 2, 3];

/** Retries of three shards, one due each second, the last one a second ago; oldest first. */
async function retries(count: number) {
  const { ledger, own, worker } = await rig.replica();
  for (const shard of SHARDS) await own(shard);
  const batches = SHARDS.map((shard) => ({
    shard,
    batch: Array.from({ length: count }, (_, n) => accepted({ recipient: { id: `user-${shard}-${n}` } })),
  }));
  const due: { id: string; at: number }[] = [];
  for (const { shard, batch } of batches) {
    const leased = await ledger.takeIn(shard, batch, inMemory, true);
    const settlements = leased.map((delivery, n) => {
      const at = Date.now() - 1_000 * (1 + 3 * ((n * 7) % count) + shard);
      due.push({ id: delivery.notificationId, at });
      return settlement(delivery, 'retrying', new Date(at));
    });
    await ledger.settle(settlements);
  }
  return { ledger, worker, due: due.toSorted((a, b) => a.at - b.at).map(({ id }) => id) };
}

describe('claiming', () => {
  it('takes the oldest of all shards first, no more than asked for, each once', async () => {
    const { ledger, due } = await retries(20);
    const claimed: string[][] = [];
    for (let i = 0; i < 5; i++) claimed.push(ids(await ledger.claim(SHARDS, 13)));
    expect(claimed.map((batch) => batch.length)).toEqual([13, 13, 13, 13, 8]);
    expect(claimed.flat()).toEqual(due);
    expect(await ledger.claim(SHARDS, 13)).toEqual([]);
  });

  it('takes those of the shards that are named, and that are its own', async () => {
    const { ledger } = await retries(4);
    const other = await rig.replica();
    await other.own(2);
    expect(await other.ledger.claim([1, 3], 100)).toEqual([]);
    expect(await ledger.claim([1, 2], 100)).toHaveLength(4);
    expect(await other.ledger.claim(SHARDS, 100)).toHaveLength(4);
  });

  it('passes over what somebody else has locked, and goes on', async () => {
    const { ledger, due } = await retries(4);
    const runner = rig.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query('SELECT 1 FROM deliveries WHERE notification_id = $1 FOR UPDATE', [due[0]]);
    expect(ids(await ledger.claim(SHARDS, 100))).toEqual(due.slice(1));
    await runner.rollbackTransaction();
    await runner.release();
    expect(ids(await ledger.claim(SHARDS, 100))).toEqual(due.slice(0, 1));
  });

  it('reads of what is due not much more than it takes', async () => {
    const { worker } = await retries(2_000);
    await query(rig.dataSource, 'ANALYZE deliveries');
    const literal = CLAIM_DUE.text
      .replaceAll('$1', worker.id)
      .replaceAll('$2', `'{${SHARDS.join()}}'`)
      .replaceAll('$3', '300');
    const plan = await query<{ 'QUERY PLAN': string }>(rig.dataSource, `EXPLAIN (ANALYZE, TIMING OFF) ${literal}`);
    // How the requests of what was claimed are joined is another matter, and the planner's choice for so small a table.
    const ofDeliveries = plan.filter((row) => row['QUERY PLAN'].includes(' on deliveries'));
    const read = ofDeliveries.map((row) => /actual rows=([\d.]+) loops=(\d+)/.exec(row['QUERY PLAN']));
    const most = Math.max(...read.map((found) => Number(found?.[1] ?? 0) * Number(found?.[2] ?? 0)));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(3_000);
  });
});
