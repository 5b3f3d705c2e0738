import { randomBytes } from 'node:crypto';
import {
  connectAndMigrate,
  ensurePartitions,
  isInfrastructureError,
  query,
  transaction,
  endedPartitions,
} from '@bongsu/persistence';
import { newNotificationId } from '@bongsu/contracts';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { notificationDataSource } from '../../../apps/notification/src/database/data-source.js';
import { freshLedger, logger } from '../notification/database.js';

let ledger: Awaited<ReturnType<typeof freshLedger>>;
beforeAll(async () => {
  ledger = await freshLedger();
});
afterAll(() => ledger.close());

describe('migrations', () => {
  it('run once when several replicas start together', async () => {
    const url = new URL(inject('bongsu').postgresUrl);
    const name = `m_${randomBytes(6).toString('hex')}`;
    const admin = new pg.Client({ connectionString: url.href });
    await admin.connect();
    await admin.query(`CREATE DATABASE ${name}`);
    url.pathname = `/${name}`;
    const replicas = Array.from({ length: 4 }, () => notificationDataSource(url.href, 3));
    await Promise.all(replicas.map((replica) => connectAndMigrate(replica, logger)));
    const ran = await query<{ name: string }>(replicas[0]!, 'SELECT name FROM migrations');
    expect(ran).toHaveLength(replicas[0]!.migrations.length);
    await Promise.all(replicas.map((replica) => replica.destroy()));
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await admin.end();
  });

  it('keep to the schema of their service', async () => {
    const rows = await query<{ schemaname: string }>(
      ledger.dataSource,
      "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    );
    expect(rows).toEqual([{ schemaname: 'notification' }]);
  });
});

describe('partitions', () => {
  const DAY = 86_400_000;
  it('are made once by several replicas, take rows by the time in their id, and end', async () => {
    await query(ledger.dataSource, 'CREATE TABLE things (id uuid PRIMARY KEY) PARTITION BY RANGE (id)');
    const things = { table: 'things', by: 'id', everyMs: DAY } as const;
    const make = () => transaction(ledger.dataSource, (tx) => ensurePartitions(tx, things, Date.now(), 2));
    await Promise.all([make(), make(), make()]);
    await query(ledger.dataSource, 'INSERT INTO things VALUES ($1)', [newNotificationId()]);
    const [row] = await query<{ partition: string }>(
      ledger.dataSource,
      'SELECT tableoid::regclass::text AS partition FROM things',
    );
    expect(row!.partition).toBe(`things_${new Date().toISOString().slice(0, 10).replaceAll('-', '')}00`);
    const ended = (at: number) => transaction(ledger.dataSource, (tx) => endedPartitions(tx, things, at));
    expect(await ended(Date.now())).toEqual([]);
    expect(await ended(Date.now() + DAY)).toEqual([row!.partition]);
  });
});

describe('isInfrastructureError', () => {
  const failureOf = async (sql: string): Promise<unknown> =>
    query(ledger.dataSource, sql).then(
      () => undefined,
      (error: unknown) => error,
    );

  it('blames the data for what the data did', async () => {
    expect(isInfrastructureError(await failureOf("SELECT 'x'::integer"))).toBe(false);
    expect(isInfrastructureError(await failureOf('INSERT INTO workers (host, alive_until) VALUES (NULL, now())'))).toBe(
      false,
    );
    expect(isInfrastructureError(new TypeError('x is undefined'))).toBe(false);
  });

  it('blames the installation for the rest', async () => {
    expect(isInfrastructureError(await failureOf('SELECT * FROM a_table_that_is_not_there'))).toBe(true);
    expect(isInfrastructureError(await failureOf('SELECT pg_terminate_backend(pg_backend_pid())'))).toBe(true);
    const away = notificationDataSource('postgres://nobody@127.0.0.1:1/none', 1);
    expect(isInfrastructureError(await away.initialize().catch((error: unknown) => error))).toBe(true);
  });
});
