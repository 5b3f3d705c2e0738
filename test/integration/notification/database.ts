import { randomBytes } from 'node:crypto';
import { createLogger } from '@bongsu/observability';
import { connectAndMigrate, type RelayTarget } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { inject } from 'vitest';
import pg from 'pg';
import { notificationDataSource, preparePartitions } from '../../../apps/notification/src/database/data-source.js';

export const logger = createLogger('test', 'silent');

/** What a relay sends to, in place of a producer. */
export const relayTo = (sendAll: RelayTarget['sendAll'], listBytes = 1024 * 1024): RelayTarget => ({
  sendAll,
  listBytes,
});

/** For those who look at something else than what is relayed. */
export const toNowhere = relayTo(async () => {});

/** A database of its own for one test file, with the ledger in it. */
export async function freshLedger(): Promise<{ dataSource: DataSource; url: string; close: () => Promise<void> }> {
  const url = new URL(inject('bongsu').postgresUrl);
  const name = `ledger_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client({ connectionString: url.href });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  url.pathname = `/${name}`;
  const dataSource = notificationDataSource(url.href, 10);
  await connectAndMigrate(dataSource, logger);
  await preparePartitions(dataSource);
  return {
    dataSource,
    url: url.href,
    async close() {
      await dataSource.destroy();
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.end();
    },
  };
}
