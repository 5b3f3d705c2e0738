import { deliveryId, newNotificationId, type NotificationRequested } from '@bongsu/contracts';
import { Outbox, StreamClosedError, query, transaction } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Ledger, type AcceptedRequest, type Settlement } from '../../../apps/notification/src/ledger/ledger.js';
import type { LeasedDelivery } from '../../../apps/notification/src/ledger/delivery.js';
import { ShardLostError, Shards, WorkerLostError } from '../../../apps/notification/src/ledger/shards.js';
import { Worker, reapDeadWorkers } from '../../../apps/notification/src/ledger/workers.js';
import { factRecord } from '../../../apps/notification/src/settle/facts.js';
import { freshLedger, logger } from './database.js';

const SHARD = 3;
const LEASE_MS = 60_000;

let dataSource: DataSource;
let close: () => Promise<void>;
beforeAll(async () => {
  ({ dataSource, close } = await freshLedger());
});
afterAll(() => close());
beforeEach(() =>
  query(
    dataSource,
    'TRUNCATE notifications, deliveries, cancellations, workers, shards, outbox, outbox_streams, outbox_relays',
  ),
);

async function replica(leaseMs = LEASE_MS) {
  const worker = await Worker.register(dataSource, leaseMs, logger);
  const shards = new Shards(dataSource, worker.id);
  const ledger = new Ledger(dataSource, worker, shards);
  const own = (shard: number) => shards.exclusively(shard, () => Promise.resolve());
  return { worker, shards, ledger, own };
}

function accepted(given: Partial<NotificationRequested> = {}): AcceptedRequest {
  const request: NotificationRequested = {
    id: newNotificationId(),
    tenant: 'default',
    recipient: { id: 'user-1' },
    channels: ['log'],
    content: { body: 'hello' },
    priority: 'normal',
    acceptedAt: new Date().toISOString(),
    apiKeyId: 'bootstrap',
    ...given,
  };
  const key = `default/${request.orderingKey ?? request.recipient.id}`;
  return { key, request, bytes: Buffer.from(JSON.stringify(request)) };
}

function settlement(
  delivery: LeasedDelivery,
  status: 'delivered' | 'retrying',
  nextAttemptAt: Date | null = null,
): Settlement {
  const ended = status === 'delivered';
  const version = delivery.version + 1;
  const fact = factRecord(delivery, { status, ended, attempts: 1, nextAttemptAt }, version, new Date());
  return { delivery, status, ended, attempts: delivery.attempts + 1, version, nextAttemptAt, postponed: false, fact };
}

const rows = (where = 'true') =>
  query<{ id: string; status: string; worker_id: string | null }>(
    dataSource,
    `SELECT id, status, worker_id FROM deliveries WHERE ${where} ORDER BY seq`,
  );
const facts = () => query<{ key: string; value: Buffer }>(dataSource, 'SELECT key, value FROM outbox ORDER BY seq');
const ids = (deliveries: readonly LeasedDelivery[]) => deliveries.map(({ notificationId }) => notificationId);

describe('taking in', () => {
  it('leases the deliveries of a batch to this worker, in order', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const batch = [accepted({ channels: ['log', 'email'] }), accepted()];
    const leased = await ledger.takeIn(SHARD, batch, true);
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
    expect(await ledger.takeIn(SHARD, [one, one], true)).toHaveLength(1);
    expect(await rows()).toHaveLength(1);
    expect(await ledger.takeIn(SHARD, [one], true)).toHaveLength(0);
    expect(await rows()).toHaveLength(1);
  });

  it('lets nothing be written by a process whose shard has gone to another', async () => {
    const [first, second] = [await replica(), await replica()];
    await first.own(SHARD);
    await second.own(SHARD);
    await expect(first.ledger.takeIn(SHARD, [accepted()], true)).rejects.toThrow(ShardLostError);
    expect(await rows()).toHaveLength(0);
    expect(await second.ledger.takeIn(SHARD, [accepted()], true)).toHaveLength(1);
  });

  it('keeps what is scheduled for later, and hands it out when it is due', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const later = accepted({ sendAt: new Date(Date.now() + 400).toISOString() });
    expect(await ledger.takeIn(SHARD, [later], true)).toHaveLength(0);
    expect(await rows()).toMatchObject([{ status: 'deferred', worker_id: null }]);
    expect(await ledger.claim([SHARD], 10)).toHaveLength(0);
    await expect.poll(async () => ids(await ledger.claim([SHARD], 10))).toEqual([later.request.id]);
  });
});

describe('settling', () => {
  it('writes outcome and fact in one transaction', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const [delivery] = await ledger.takeIn(SHARD, [accepted()], true);
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
    const [delivery] = await ledger.takeIn(SHARD, [accepted()], true);
    await ledger.settle([settlement(delivery!, 'retrying', new Date(Date.now() - 1))]);
    expect(await ledger.claim([SHARD], 10)).toMatchObject([{ id: delivery!.id, attempts: 1, version: 1 }]);
  });

  it('drops the outcome of a lease that was lost, together with its fact', async () => {
    const [zombie, heir] = [await replica(1), await replica()];
    await zombie.own(SHARD);
    const [delivery] = await zombie.ledger.takeIn(SHARD, [accepted()], true);
    await expect
      .poll(() => reapDeadWorkers(dataSource, heir.worker.id, async () => {}, logger))
      .toEqual([zombie.worker.id]);
    await heir.own(SHARD);
    const [again] = await heir.ledger.claim([SHARD], 10);
    expect(again!.id).toBe(delivery!.id);
    await expect(zombie.ledger.settle([settlement(delivery!, 'delivered')])).rejects.toThrow(StreamClosedError);
    expect(await rows()).toMatchObject([{ status: 'pending', worker_id: heir.worker.id }]);
    expect(await facts()).toHaveLength(0);
  });
});

describe('dead workers', () => {
  it('sends what a dead worker had committed before its deliveries are free', async () => {
    const [dead, heir] = [await replica(1), await replica()];
    await dead.own(SHARD);
    const [one] = await dead.ledger.takeIn(SHARD, [accepted(), accepted()], true);
    await dead.ledger.settle([settlement(one!, 'delivered')]);
    const sent: string[] = [];
    const freeWhenSent: boolean[] = [];
    const send = async (records: readonly { key: string }[]) => {
      freeWhenSent.push((await rows('worker_id IS NULL AND ended_at IS NULL')).length > 0);
      sent.push(...records.map(({ key }) => key));
    };
    await expect.poll(() => reapDeadWorkers(dataSource, heir.worker.id, send, logger)).toEqual([dead.worker.id]);
    expect(sent).toEqual(['default/user-1']);
    expect(freeWhenSent).toEqual([false]);
    expect(await rows('worker_id IS NULL AND ended_at IS NULL')).toHaveLength(1);
  });

  it('lets a worker that was taken for dead neither take a shard over nor claim', async () => {
    const [dead, heir] = [await replica(1), await replica()];
    await dead.own(SHARD);
    await dead.ledger.takeIn(SHARD, [accepted()], false);
    await expect
      .poll(() => reapDeadWorkers(dataSource, heir.worker.id, async () => {}, logger))
      .toEqual([dead.worker.id]);
    expect(await dead.ledger.claim([SHARD], 10)).toEqual([]);
    await expect(dead.ledger.takeIn(SHARD, [accepted()], true)).rejects.toThrow(ShardLostError);
    await expect(dead.own(SHARD)).rejects.toThrow(WorkerLostError);
    expect(await rows('worker_id IS NOT NULL')).toEqual([]);
  });

  it('finds what a dying worker leased in the very moment it is cleared up after', async () => {
    const [dying, heir] = [await replica(1), await replica()];
    await dying.own(SHARD);
    const { promise: open, resolve: commit } = Promise.withResolvers<void>();
    const leasing = transaction(dataSource, async (tx) => {
      await dying.shards.assertOwned(tx, SHARD);
      await tx.query(
        `INSERT INTO deliveries (id, notification_id, shard, priority, ordered, key, channel, status, worker_id)
         VALUES ($1, $1, $2, 1, false, 'k', 'log', 'pending', $3)`,
        [newNotificationId(), SHARD, dying.worker.id],
      );
      await open;
    });
    const reaping = reapDeadWorkers(dataSource, heir.worker.id, async () => {}, logger);
    await expect
      .poll(() =>
        query(
          dataSource,
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
    const [alive, other] = [await replica(400), await replica()];
    alive.worker.start(() => expect.unreachable('it was not taken for dead'));
    const until = Date.now() + 1000;
    while (Date.now() < until)
      expect(await reapDeadWorkers(dataSource, other.worker.id, async () => {}, logger)).toEqual([]);
    expect(alive.worker.mayStart).toBe(true);
    alive.worker.stopRenewing();
    await expect.poll(() => alive.worker.mayStart).toBe(false);
  });

  it('keeps two keys apart while a shard changes hands: what a living former owner holds is not overtaken', async () => {
    const [former, owner] = [await replica(), await replica()];
    await former.own(SHARD);
    const held = accepted({ recipient: { id: 'slow' } });
    const [inFlight] = await former.ledger.takeIn(SHARD, [held], true);
    await owner.own(SHARD);
    const [same, other] = [accepted({ recipient: { id: 'slow' } }), accepted({ recipient: { id: 'other' } })];
    expect(owner.shards.isCatchingUp(SHARD)).toBe(true);
    await owner.ledger.takeIn(SHARD, [same, other], false);
    expect(ids(await owner.ledger.claim([SHARD], 10))).toEqual([other.request.id]);
    expect(await owner.ledger.heldByOthers(SHARD)).toBe(true);
    await former.ledger.settle([settlement(inFlight!, 'delivered')]);
    expect(ids(await owner.ledger.claim([SHARD], 10))).toEqual([same.request.id]);
    expect(await owner.ledger.heldByOthers(SHARD)).toBe(false);
  });
});

describe('strict order', () => {
  const ordered = () => accepted({ orderingKey: 'order-42' });

  it('lets the next start only when the one before has ended, over batches and retries', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const [a, b, c] = [ordered(), ordered(), ordered()];
    const [first, ...rest] = await ledger.takeIn(SHARD, [a, b], true);
    expect([first!.notificationId, rest.length]).toEqual([a.request.id, 0]);
    expect(await ledger.takeIn(SHARD, [c], true)).toEqual([]);
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
    const [first] = await ledger.takeIn(SHARD, [a], true);
    await ledger.settle([settlement(first!, 'delivered')]);
    const [second, ...none] = await ledger.takeIn(SHARD, [a, b], true);
    expect([second!.notificationId, none.length]).toEqual([b.request.id, 0]);
  });

  it('passes over a cancelled one', async () => {
    const { ledger, own, shards } = await replica();
    await own(SHARD);
    shards.caughtUp(SHARD);
    const [a, b, c] = [ordered(), ordered(), ordered()];
    const [first] = await ledger.takeIn(SHARD, [a, b, c], true);
    await ledger.cancel(SHARD, [{ notificationId: b.request.id, requestedAt: new Date().toISOString() }], (delivery) =>
      factRecord(
        delivery,
        { status: 'cancelled', ended: true, attempts: 0, nextAttemptAt: null },
        delivery.version,
        new Date(),
      ),
    );
    const [next] = await ledger.settle([settlement(first!, 'delivered')]);
    expect(next!.notificationId).toBe(c.request.id);
  });
});

describe('cancelling', () => {
  const cancel = (ledger: Ledger, id: string) =>
    ledger.cancel(SHARD, [{ notificationId: id, requestedAt: new Date().toISOString() }], (delivery) =>
      factRecord(
        delivery,
        { status: 'cancelled', ended: true, attempts: 0, nextAttemptAt: null },
        delivery.version,
        new Date(),
      ),
    );

  it('ends what waits in the ledger, and says so', async () => {
    const { ledger, own } = await replica();
    await own(SHARD);
    const later = accepted({ sendAt: new Date(Date.now() + 60_000).toISOString() });
    await ledger.takeIn(SHARD, [later], true);
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
    const leased = await ledger.takeIn(SHARD, [now], true);
    expect(leased).toMatchObject([{ notificationId: now.request.id, cancelled: true }]);
    await ledger.takeIn(SHARD, [later], true);
    expect(await ledger.claim([SHARD], 10)).toMatchObject([{ notificationId: later.request.id, cancelled: true }]);
  });
});

describe('the outbox', () => {
  it('keeps the order of commits within a stream under concurrent writers', async () => {
    await transaction(dataSource, (tx) => Outbox.open(tx, 'contended'));
    const write = (n: number) =>
      transaction(dataSource, (tx) =>
        Outbox.append(tx, 'contended', [{ topic: 't', key: String(n), value: Buffer.from('{}'), headers: {} }]),
      );
    await Promise.all(Array.from({ length: 50 }, (_, n) => write(n)));
    const seqs = await query<{ seq: string }>(
      dataSource,
      "SELECT seq FROM outbox WHERE stream = 'contended' ORDER BY seq",
    );
    expect(seqs.map(({ seq }) => Number(seq))).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
  });
});
