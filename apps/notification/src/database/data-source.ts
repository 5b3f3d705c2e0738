import { createDataSource, ensurePartitions, OUTBOX_PARTITIONS, query, transaction } from '@bongsu/persistence';
import { DataSource } from 'typeorm';
import { LEDGER_PARTITIONS } from '../housekeeping/retention.js';
import { Ledger1795219200000 } from './migrations/1795219200000-ledger.js';
import { Erasures1795306100000 } from './migrations/1795306100000-erasures.js';
import { Flows1795305600000 } from './migrations/1795305600000-flows.js';
import { Redrive1795305500000 } from './migrations/1795305500000-redrive.js';
import { Traces1795310400000 } from './migrations/1795310400000-traces.js';

export { DataSource };

export const notificationDataSource = (url: string, poolSize: number): DataSource =>
  createDataSource({
    service: 'notification',
    url,
    poolSize,
    entities: [],
    migrations: [
      Ledger1795219200000,
      Redrive1795305500000,
      Flows1795305600000,
      Erasures1795306100000,
      Traces1795310400000,
    ],
  });

/** Makes sure that the partitions of now and of the next days are there; to be called at start and every few hours. */
export async function preparePartitions(dataSource: DataSource, now = Date.now()): Promise<void> {
  for (const table of [...LEDGER_PARTITIONS, OUTBOX_PARTITIONS]) {
    // The one before too: an id derived from an Idempotency-Key carries the start of its window.
    await transaction(dataSource, (tx) => ensurePartitions(tx, table, now - table.everyMs, 3));
  }
}

/** Rejects when the ledger does not answer: for the readiness check. */
export async function ping(dataSource: DataSource): Promise<void> {
  if (!dataSource.isInitialized) throw new Error('not connected yet');
  await query(dataSource, 'SELECT 1');
}
