import {
  TOPICS,
  deliveryId,
  newEventId,
  newNotificationId,
  type DeliveryFact,
  type RedriveRequested,
} from '@bongsu/contracts';
import { query } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toLeased, type ClaimedRow } from '../../../apps/notification/src/ledger/delivery.js';
import { ShardLostError, Shards } from '../../../apps/notification/src/ledger/shards.js';
import { CLAIM_DUE } from '../../../apps/notification/src/ledger/sql/claim-due.js';
import { Worker } from '../../../apps/notification/src/ledger/workers.js';
import { Redrive } from '../../../apps/notification/src/redrive/redrive.js';
import { freshLedger, logger } from './database.js';

const SHARD = 3;
const DEAD_VERSION = 4;
const ATTEMPTS = 4;

let dataSource: DataSource;
let close: () => Promise<void>;
beforeAll(async () => {
  ({ dataSource, close } = await freshLedger());
});
afterAll(() => close());
beforeEach(() =>
  query(dataSource, 'TRUNCATE notifications, deliveries, workers, shards, outbox, outbox_streams, outbox_relays'),
);

async function replica() {
  const worker = await Worker.register(dataSource, 60_000, logger);
  const shards = new Shards(dataSource, worker.id);
  return { worker, redrive: new Redrive(dataSource, worker, shards, logger) };
}

/** Deliveries that died in channel log after four attempts; gives their notifications' ids. */
async function died(count: number, more: { ordered?: boolean; status?: string } = {}): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newNotificationId());
  const requests = ids.map((id) =>
    Buffer.from(JSON.stringify({ id, tenant: 'default', recipient: { id: 'user-1' }, channels: ['log'] })),
  );
  await query(
    dataSource,
    `INSERT INTO notifications (id, tenant, recipient_id, key, accepted_at, request)
     SELECT id, 'default', 'user-1', 'default/user-1', now(), request FROM unnest($1::uuid[], $2::bytea[]) AS r (id, request)`,
    [ids, requests],
  );
  await query(
    dataSource,
    `INSERT INTO deliveries (id, notification_id, shard, priority, ordered, key, channel, status, attempts, version, ended_at)
     SELECT id, notification_id, $3, 1, $4, 'default/user-1', 'log', $5, $6, $7, CASE WHEN $5 = 'retrying' THEN NULL ELSE now() END
       FROM unnest($1::uuid[], $2::uuid[]) AS r (id, notification_id)`,
    [
      ids.map((id) => deliveryId(id, 'log')),
      ids,
      SHARD,
      more.ordered ?? false,
      more.status ?? 'dead',
      ATTEMPTS,
      DEAD_VERSION,
    ],
  );
  return ids;
}

const command = (notificationId: string, more: Partial<RedriveRequested> = {}): RedriveRequested => ({
  notificationId,
  tenant: 'default',
  deliveryId: deliveryId(notificationId, 'log'),
  channel: 'log',
  version: DEAD_VERSION,
  notBefore: '2026-11-21T12:00:00.000Z',
  redriveId: newEventId(),
  requestedAt: '2026-11-21T12:00:00.000Z',
  requestedBy: 'bootstrap',
  ...more,
});

const row = async (notificationId: string) => {
  const [found] = await query<Record<string, unknown>>(
    dataSource,
    `SELECT status, version, attempts, schedule_from, ordered, next_attempt_at, ended_at, worker_id
       FROM deliveries WHERE notification_id = $1`,
    [notificationId],
  );
  return found;
};
const facts = async (): Promise<DeliveryFact[]> =>
  (await query<{ topic: string; value: Buffer }>(dataSource, 'SELECT topic, value FROM outbox ORDER BY seq')).map(
    ({ value }) => JSON.parse(value.toString()) as DeliveryFact,
  );

describe('redriving', () => {
  it('makes a dead delivery due at the time given, its schedule from the start, and says so', async () => {
    const { redrive } = await replica();
    const [id] = await died(1);
    expect(await redrive.redrive(SHARD, [command(id!)])).toEqual({ redriven: 1, superseded: 0, unknown: 0 });
    expect(await row(id!)).toEqual({
      status: 'retrying',
      version: DEAD_VERSION + 1,
      attempts: ATTEMPTS,
      schedule_from: ATTEMPTS,
      ordered: false,
      next_attempt_at: new Date('2026-11-21T12:00:00.000Z'),
      ended_at: null,
      worker_id: null,
    });
    expect(await facts()).toMatchObject([
      {
        notificationId: id,
        deliveryId: deliveryId(id!, 'log'),
        status: 'retrying',
        version: DEAD_VERSION + 1,
        reason: 'redriven',
        nextAttemptAt: '2026-11-21T12:00:00.000Z',
      },
    ]);
    const [{ topic, key }] = (await query<{ topic: string; key: string }>(
      dataSource,
      'SELECT topic, key FROM outbox',
    )) as [{ topic: string; key: string }];
    expect([topic, key]).toEqual([TOPICS.events.name, 'default/user-1']);
  });

  it('counts once: the same command twice in a batch, the batch again, and another redrive of the same letter', async () => {
    const { redrive } = await replica();
    const [id] = await died(1);
    const first = command(id!);
    const another = command(id!, { notBefore: '2026-11-21T13:00:00.000Z' });
    expect(await redrive.redrive(SHARD, [first, first, another])).toMatchObject({ redriven: 1 });
    const after = await row(id!);
    expect(after).toMatchObject({ next_attempt_at: new Date(first.notBefore) });
    for (const batch of [[first], [another], [first, another]])
      expect(await redrive.redrive(SHARD, batch)).toEqual({ redriven: 0, superseded: 1, unknown: 0 });
    expect(await row(id!)).toEqual(after);
    expect(await facts()).toHaveLength(1);
  });

  it('leaves alone what is not dead, died anew, is of another tenant, was erased, or is not known', async () => {
    const { redrive } = await replica();
    const [delivered] = await died(1, { status: 'delivered' });
    const [retrying] = await died(1, { status: 'retrying' });
    const [anew, foreign, erased] = await died(3);
    await query(dataSource, 'UPDATE notifications SET erased_at = now() WHERE id = $1', [erased]);
    const before = await Promise.all([delivered, retrying, anew, foreign, erased].map((id) => row(id!)));
    const outcome = await redrive.redrive(SHARD, [
      command(delivered!),
      command(retrying!),
      command(anew!, { version: DEAD_VERSION - 2 }),
      command(foreign!, { tenant: 'acme' }),
      command(erased!),
      command(newNotificationId()),
    ]);
    expect(outcome).toEqual({ redriven: 0, superseded: 5, unknown: 1 });
    expect(await Promise.all([delivered, retrying, anew, foreign, erased].map((id) => row(id!)))).toEqual(before);
    expect(await facts()).toEqual([]);
  });

  it('may be done again when it has died again, of its new version', async () => {
    const { redrive } = await replica();
    const [id] = await died(1);
    await redrive.redrive(SHARD, [command(id!)]);
    await query(
      dataSource,
      `UPDATE deliveries SET status = 'dead', version = 8, attempts = 9, next_attempt_at = NULL, ended_at = now()`,
    );
    expect(await redrive.redrive(SHARD, [command(id!), command(id!, { version: 8 })])).toMatchObject({ redriven: 1 });
    expect(await row(id!)).toMatchObject({ status: 'retrying', version: 9, schedule_from: 9 });
  });

  it('takes one in strict order out of the line, so that later ones of its key need not wait for its time', async () => {
    const { redrive } = await replica();
    const [id] = await died(1, { ordered: true });
    await redrive.redrive(SHARD, [command(id!, { notBefore: '2027-01-01T00:00:00.000Z' })]);
    expect(await row(id!)).toMatchObject({ status: 'retrying', ordered: false });
  });

  it('is for the owner of the shard alone', async () => {
    const former = await replica();
    const owner = await replica();
    const [id] = await died(1);
    await former.redrive.redrive(SHARD, [command(newNotificationId())]);
    await owner.redrive.redrive(SHARD, [command(newNotificationId())]);
    await expect(former.redrive.redrive(SHARD, [command(id!)])).rejects.toThrow(ShardLostError);
    expect(await row(id!)).toMatchObject({ status: 'dead' });
  });

  it('of 10,000, twice: each once, claimed at the pace given and not before', { timeout: 120_000 }, async () => {
    const { redrive, worker } = await replica();
    const ids = await died(10_000);
    const startedAt = Date.now() - 5_000;
    const perSecond = 500;
    const all = ids.map((id, i) =>
      command(id, { notBefore: new Date(startedAt + (i * 1000) / perSecond).toISOString() }),
    );
    const batches = Array.from({ length: 20 }, (_, i) => all.slice(i * 500, (i + 1) * 500));
    const began = performance.now();
    let redriven = 0;
    for (const batch of [...batches, ...batches]) redriven += (await redrive.redrive(SHARD, batch)).redriven;
    console.log(`20,000 commands about 10,000 dead letters: ${Math.round(performance.now() - began)} ms`);
    expect(redriven).toBe(10_000);
    expect(await facts()).toHaveLength(10_000);

    const claimed = (await query<ClaimedRow>(dataSource, CLAIM_DUE, [worker.id, [SHARD], 20_000])).map(toLeased);
    const dueBy = Math.floor(((Date.now() - startedAt) * perSecond) / 1000) + 1;
    expect(claimed.length).toBeGreaterThanOrEqual(5 * perSecond);
    expect(claimed.length).toBeLessThanOrEqual(dueBy);
    expect(claimed.map(({ notificationId }) => notificationId)).toEqual(ids.slice(0, claimed.length));
    expect(claimed[0]).toMatchObject({ attempts: ATTEMPTS, scheduleFrom: ATTEMPTS });
  });
});
