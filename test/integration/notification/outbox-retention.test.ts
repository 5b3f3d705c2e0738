import {
  dropEnded,
  ensurePartitions,
  Outbox,
  OUTBOX_PARTITIONS,
  OUTBOX_RETENTION,
  partitionName,
  query,
  transaction,
} from '@bongsu/persistence';
import { describe, expect, it } from 'vitest';
import { reapDeadWorkers } from '../../../apps/notification/src/ledger/workers.js';
import { logger, relayTo } from './database.js';
import { accepted, inMemory, ledgerRig, settlement, SHARD } from './ledger-rig.js';

const DAY = 86_400_000;
const rig = ledgerRig();
const { replica } = rig;

describe('the retention of the outbox', () => {
  const TODAY = Math.floor(Date.now() / DAY) * DAY;
  const dayOf = (daysAgo: number): string => partitionName(OUTBOX_PARTITIONS, TODAY - daysAgo * DAY);
  const record = { topic: 't', key: 'k', value: Buffer.from('{}'), headers: {} };
  const relayed = (stream: string, seq: number) =>
    query(rig.dataSource, 'UPDATE outbox_relays SET relayed_seq = $2 WHERE stream = $1', [stream, seq]);
  /** Facts of a stream that were committed so many days ago. */
  async function write(stream: string, daysAgo: number, facts: number): Promise<void> {
    await transaction(rig.dataSource, async (tx) => {
      await ensurePartitions(tx, OUTBOX_PARTITIONS, TODAY - daysAgo * DAY, 0);
      await Outbox.open(tx, stream);
      await Outbox.append(
        tx,
        stream,
        Array.from({ length: facts }, () => record),
      );
      await tx.query('UPDATE outbox SET created_at = $1 WHERE stream = $2 AND created_at > $3', [
        new Date(TODAY - daysAgo * DAY + 1_000),
        stream,
        new Date(TODAY),
      ]);
    });
  }
  const dropDays = () => dropEnded(rig.dataSource, OUTBOX_RETENTION, TODAY + 1_000);

  it('drops a day when all streams have been relayed beyond it', async () => {
    await write('a', 3, 5);
    await write('a', 2, 5);
    await write('b', 3, 5);
    await relayed('a', 5);
    expect(await dropDays()).toMatchObject({ dropped: [], kept: [dayOf(3), dayOf(2)] });
    await relayed('b', 5);
    expect(await dropDays()).toMatchObject({ dropped: [dayOf(3)], kept: [dayOf(2)] });
    await relayed('a', 10);
    expect(await dropDays()).toMatchObject({ dropped: [dayOf(2)], kept: [] });
  });

  it('keeps what ended less than a day ago', async () => {
    await write('a', 1, 5);
    await relayed('a', 5);
    expect((await dropDays()).dropped).toEqual([]);
    expect(await rig.facts()).toHaveLength(5);
  });

  it('keeps the day of a dead worker until what it committed has been relayed, and drops that of a closed stream', async () => {
    await write('worker-77', 3, 5);
    await query(rig.dataSource, "DELETE FROM outbox_streams WHERE stream = 'worker-77'");
    expect(await dropDays()).toMatchObject({ dropped: [], kept: [dayOf(3)] });
    await relayed('worker-77', 5);
    await transaction(rig.dataSource, (tx) => Outbox.close(tx, 'worker-77'));
    expect((await dropDays()).dropped).toEqual([dayOf(3)]);
  });

  it('is not passed by a worker that leaves while Kafka is away: another one relays what it has committed', async () => {
    const { worker, ledger, own } = await replica();
    const heir = await replica();
    await own(SHARD);
    const [delivery] = await ledger.takeIn(SHARD, [accepted()], inMemory, true);
    await ledger.settle([settlement(delivery!, 'delivered')]);
    await worker.leave();
    const sent: unknown[] = [];
    await expect
      .poll(() =>
        reapDeadWorkers(
          rig.dataSource,
          heir.worker.id,
          relayTo(async (facts) => void sent.push(...facts)),
          logger,
        ),
      )
      .toEqual([worker.id]);
    expect(sent).toHaveLength(1);
  });
});
