import { newNotificationId, type NotificationRequested } from '@bongsu/contracts';
import { query } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { LeasedDelivery } from '../../../apps/notification/src/ledger/delivery.js';
import type { AcceptedRequest } from '../../../apps/notification/src/ledger/accepted.js';
import { Ledger, type Settlement } from '../../../apps/notification/src/ledger/ledger.js';
import { Shards } from '../../../apps/notification/src/ledger/shards.js';
import { Worker } from '../../../apps/notification/src/ledger/workers.js';
import { factRecord } from '../../../apps/notification/src/settle/facts.js';
import { freshLedger, logger } from './database.js';

export const SHARD = 3;
/** The flow of all deliveries that wait in the ledger. */
export const FLOW = '42';
const LEASE_MS = 60_000;

/** There is room in memory for all. */
export const inMemory = (): undefined => undefined;
/** There is none. */
export const inLedger = (): string => FLOW;

/** A ledger of its own for one test file, empty before each test. */
export function ledgerRig() {
  let dataSource: DataSource;
  let url: string;
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ dataSource, url, close } = await freshLedger());
  });
  afterAll(() => close());
  beforeEach(() =>
    query(
      dataSource,
      'TRUNCATE notifications, deliveries, cancellations, workers, shards, outbox, outbox_streams, outbox_relays',
    ),
  );
  return {
    get dataSource() {
      return dataSource;
    },
    get url() {
      return url;
    },
    /** @param through its way to the database, if it is not the usual one */
    replica: async (leaseMs = LEASE_MS, through = dataSource) => {
      const worker = await Worker.register(through, leaseMs, logger);
      const shards = new Shards(through, worker.id);
      const found: LeasedDelivery[] = [];
      const ledger = new Ledger(through, worker, shards, (deliveries) => found.push(...deliveries));
      const own = (shard: number) => shards.exclusively(shard, () => Promise.resolve());
      return { worker, shards, ledger, own, found };
    },
    rows: (where = 'true') =>
      query<{ id: string; status: string; worker_id: string | null; flow: string | null }>(
        dataSource,
        `SELECT id, status, worker_id, flow FROM deliveries WHERE ${where} ORDER BY seq`,
      ),
    facts: () => query<{ key: string; value: Buffer }>(dataSource, 'SELECT key, value FROM outbox ORDER BY seq'),
  };
}

export function accepted(given: Partial<NotificationRequested> = {}): AcceptedRequest {
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

export function settlement(
  delivery: LeasedDelivery,
  status: 'delivered' | 'retrying',
  nextAttemptAt: Date | null = null,
): Settlement {
  const ended = status === 'delivered';
  const version = delivery.version + 1;
  const fact = factRecord(delivery, { status, ended, attempts: 1, nextAttemptAt }, version, new Date());
  return { delivery, status, ended, attempts: delivery.attempts + 1, version, nextAttemptAt, postponed: false, fact };
}

/** The fact of a cancellation. */
export const cancelledFact = (delivery: LeasedDelivery) =>
  factRecord(
    delivery,
    { status: 'cancelled', ended: true, attempts: 0, nextAttemptAt: null },
    delivery.version,
    new Date(),
  );

export const ids = (deliveries: readonly LeasedDelivery[]) => deliveries.map(({ notificationId }) => notificationId);
