import { randomBytes } from 'node:crypto';
import { readSettings } from '@bongsu/config';
import { firstIdAt } from '@bongsu/contracts';
import { createLogger } from '@bongsu/observability';
import { connectAndMigrate, dropEnded, ensurePartitions, partitionName, query, transaction } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { apiDataSource } from '../../../apps/api/src/database/data-source.js';
import { PARTITIONED, preparePartitions, statusRetention } from '../../../apps/api/src/database/partitions.js';
import { API_SETTINGS } from '../../../apps/api/src/settings.js';

const DAY = 86_400_000;
const WEEK = 7 * DAY;
const THIS_WEEK = Math.floor(Date.now() / WEEK) * WEEK;
const NOW = THIS_WEEK + 1_000;
const retention = statusRetention(90 * DAY);

const name = `api_${randomBytes(6).toString('hex')}`;
const admin = new pg.Client({ connectionString: inject('bongsu').postgresUrl });
let dataSource: DataSource;
beforeAll(async () => {
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  const url = new URL(inject('bongsu').postgresUrl);
  url.pathname = `/${name}`;
  dataSource = apiDataSource(readSettings(API_SETTINGS, { DATABASE_URL: url.href }));
  await connectAndMigrate(dataSource, createLogger('test', 'silent'));
});
afterAll(async () => {
  await dataSource.destroy();
  await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
  await admin.end();
});

const weekOf = (weeksAgo: number): string[] =>
  PARTITIONED.map((table) => partitionName(table, THIS_WEEK - weeksAgo * WEEK));

/** A week with a notification of this status, and all that belongs to it. */
async function put(weeksAgo: number, status: string): Promise<string> {
  for (const table of PARTITIONED) {
    await transaction(dataSource, (tx) => ensurePartitions(tx, table, THIS_WEEK - weeksAgo * WEEK, 0));
  }
  const id = firstIdAt(THIS_WEEK - weeksAgo * WEEK + 5_000).replace(
    /0000-000000000000$/,
    `8000-${randomBytes(6).toString('hex')}`,
  );
  await query(
    dataSource,
    `INSERT INTO notifications (id, tenant, status, requested, placeheld, accepted_at) VALUES ($1, 't', $2, true, false, now())`,
    [id, status],
  );
  await query(
    dataSource,
    `INSERT INTO deliveries (notification_id, channel, id, tenant, status, version, updated_at) VALUES ($1, 'log', $1, 't', 'x', 1, now())`,
    [id],
  );
  await query(
    dataSource,
    `INSERT INTO attempts (notification_id, channel, number, tenant, provider, started_at, duration_ms, outcome)
     VALUES ($1, 'log', 1, 't', 'p', now(), 1, 'done')`,
    [id],
  );
  await query(
    dataSource,
    `INSERT INTO timeline (notification_id, event_id, tenant, at, position, entry) VALUES ($1, 'e', 't', now(), 1, '{}')`,
    [id],
  );
  return id;
}

const count = async (table: string): Promise<number> =>
  (await query<{ n: number }>(dataSource, `SELECT count(*)::int AS n FROM ${table}`))[0]!.n;

describe('the retention of the read model', () => {
  it('drops old weeks of all tables together, and keeps those of notifications that have not ended', async () => {
    for (const status of ['delivered', 'failed', 'cancelled', 'expired', 'suppressed', 'partially_delivered'])
      await put(20, status);
    for (const status of ['accepted', 'delivered']) await put(21, status);
    await put(22, 'scheduled');
    await put(23, 'in_progress');
    await put(5, 'delivered');
    const { dropped, kept, busy } = await dropEnded(dataSource, retention, NOW);
    expect(dropped.toSorted()).toEqual(weekOf(20).toSorted());
    expect(kept.toSorted()).toEqual([21, 22, 23].flatMap(weekOf).toSorted());
    expect(busy).toEqual([]);
    for (const table of ['notifications', 'deliveries', 'attempts', 'timeline']) expect(await count(table)).toBe(5);
    await query(dataSource, "UPDATE notifications SET status = 'expired' WHERE status = 'scheduled'");
    expect((await dropEnded(dataSource, retention, NOW)).dropped.toSorted()).toEqual(weekOf(22).toSorted());
  });

  it('asks one partial index', async () => {
    await put(30, 'accepted');
    const [partition] = weekOf(30);
    const plans: string[] = [];
    const spying = statusRetention(90 * DAY);
    await transaction(dataSource, async (tx) => {
      await tx.query('SET LOCAL enable_seqscan = off');
      await spying.inUse(
        {
          query: async <R>(sql: string) => {
            const plan = await tx.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`);
            plans.push(...plan.map((row) => row['QUERY PLAN']));
            return [] as R[];
          },
        },
        new Map([['notifications', partition!]]),
      );
    });
    expect(plans.join('\n')).toMatch(/Index\w* (Only )?Scan using notifications_\d+_id_idx/);
  });

  it('makes partitions for the weeks, and for the days of the outbox', async () => {
    const later = NOW + 52 * WEEK;
    await transaction(dataSource, (tx) => preparePartitions(tx, later));
    const rows = await query<{ name: string | null }>(
      dataSource,
      'SELECT to_regclass(n)::text AS name FROM unnest($1::text[]) n',
      [[...weekOf(-52), ...weekOf(-56), partitionName({ table: 'outbox', by: 'timestamp', everyMs: DAY }, later)]],
    );
    expect(rows.every((row) => row.name !== null)).toBe(true);
  });
});
