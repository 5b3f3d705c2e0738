import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { Database } from '../../../apps/audit/src/database/database.js';
import { Chain1795219300000 } from '../../../apps/audit/src/database/migrations/1795219300000-chain.js';
import { createServiceDatabase, superuserOf } from '../../../tools/stack/postgres-database.js';
import { freshAudit, logger, raws, salts, verifyAll, type AuditDatabase } from './database.js';

let audit: AuditDatabase;
beforeAll(async () => {
  audit = await freshAudit();
  await new Appender(audit.database, salts, logger).append('notification.events.v1', 0, raws(0, 3));
});
afterAll(() => audit.close());

const DENIED = { code: '42501' };

describe("the service's role", () => {
  const changes = (table: string, column: string): string[] => [
    `UPDATE ${table} SET ${column} = ${column}`,
    `DELETE FROM ${table}`,
    `TRUNCATE ${table}`,
    `DROP TABLE ${table}`,
    `ALTER TABLE ${table} ADD COLUMN x integer`,
  ];

  it('may not change, delete or empty any table of its schema, nor make one', async () => {
    const tables = await audit.database.query<{ table: string; column: string }>(
      `SELECT table_name AS table, min(column_name::text) AS column FROM information_schema.columns
       WHERE table_schema = 'audit' GROUP BY table_name`,
    );
    // The parent, each month's partition and the default one, and the list of migrations at least.
    expect(tables.length).toBeGreaterThan(6);
    for (const { table, column } of tables) {
      for (const change of changes(table, `"${column}"`)) {
        await expect(audit.database.query(change), change).rejects.toMatchObject(DENIED);
      }
    }
    await expect(audit.database.query('CREATE TABLE mine (x integer)')).rejects.toMatchObject(DENIED);
    await expect(audit.database.query('CREATE SCHEMA mine')).rejects.toMatchObject(DENIED);
  });

  it('may not lock a record either, and may read and insert', async () => {
    await expect(audit.database.query('SELECT 1 FROM records FOR UPDATE')).rejects.toMatchObject(DENIED);
    expect(await verifyAll(audit.database)).toMatchObject({ ok: true, records: 3 });
  });
});

describe("the eraser's role", () => {
  it('may empty payloads with their salts and recipients, until its transaction ends', async () => {
    await audit.database.eraserTransaction(async (tx) => {
      await tx.query('UPDATE records SET payload = NULL, salt = NULL, recipient = NULL WHERE sequence = 2');
    });
    expect(await verifyAll(audit.database)).toMatchObject({ ok: true, records: 3 });
    await expect(audit.database.query('UPDATE records SET payload = NULL')).rejects.toMatchObject(DENIED);
  });

  it.each([
    'DELETE FROM records',
    'TRUNCATE records',
    'UPDATE records SET hash = hash',
    'UPDATE records SET payload_digest = payload_digest',
    'UPDATE records SET subject = NULL',
    'INSERT INTO records SELECT * FROM records',
    'CREATE TABLE mine (x integer)',
  ])('may nothing else: %s', async (change) => {
    await expect(audit.database.eraserTransaction((tx) => tx.query(change))).rejects.toMatchObject(DENIED);
  });
});

describe('a role that may not even step into the others', () => {
  it('serves all the same, while there is nothing to migrate', async () => {
    const role = `audit_plain_${randomBytes(4).toString('hex')}`;
    await audit.owner.query(`CREATE ROLE ${role} LOGIN PASSWORD 'plain'`);
    await audit.owner.query(`GRANT CONNECT ON DATABASE ${new URL(audit.url).pathname.slice(1)} TO ${role}`);
    await audit.owner.query(`GRANT USAGE ON SCHEMA audit TO ${role}`);
    await audit.owner.query(`GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA audit TO ${role}`);
    const url = Object.assign(new URL(audit.url), { username: role, password: 'plain' });
    const plain = await Database.open(url.href, 2, logger);
    await new Appender(plain, salts, logger).append('notification.events.v1', 1, raws(0, 2));
    await plain.prepareMonths(Date.UTC(2045, 0, 1));
    await expect(plain.eraserTransaction((tx) => tx.query('UPDATE records SET payload = NULL'))).rejects.toMatchObject(
      DENIED,
    );
    await plain.close();
    await audit.owner.query(`DROP OWNED BY ${role}`);
    await audit.owner.query(`DROP ROLE ${role}`);
  });
});

describe('a store that was made when one role had all rights', () => {
  it('is taken over: what is in it stays, and the role keeps INSERT and SELECT', async () => {
    const superuser = superuserOf(inject('bongsu').postgresUrl);
    const { database } = new Client({ connectionString: audit.url });
    const admin = new Client({ ...superuser, database });
    await admin.connect();
    await admin.query('REASSIGN OWNED BY bongsu_audit_owner TO bongsu_audit');
    await createServiceDatabase(superuser, database!);
    await admin.end();
    const again = await Database.open(audit.url, 5, logger);
    await expect(again.query('DELETE FROM records')).rejects.toMatchObject(DENIED);
    await new Appender(again, salts, logger).append('notification.events.v1', 0, raws(3, 5));
    await again.prepareMonths(Date.UTC(2033, 0, 1));
    expect(await verifyAll(again)).toMatchObject({ ok: true, records: 7 });
    await again.close();
  });

  it('keeps the records of its first version, and goes on where their chains end', async () => {
    const superuser = superuserOf(inject('bongsu').postgresUrl);
    const database = `audit_old_${randomBytes(4).toString('hex')}`;
    await audit.owner.query(`CREATE DATABASE ${database}`);
    const old = new Client({ ...superuser, database, options: '-c search_path=audit' });
    await old.connect();
    await old.query('CREATE SCHEMA audit AUTHORIZATION bongsu_audit; SET ROLE bongsu_audit');
    await new Chain1795219300000().up(old as never);
    await old.query(
      'CREATE TABLE migrations (id serial PRIMARY KEY, timestamp bigint NOT NULL, name varchar NOT NULL)',
    );
    await old.query("INSERT INTO migrations (timestamp, name) VALUES (1795219300000, 'Chain1795219300000')");
    const columns = `topic, partition, sequence, "offset", epoch, timestamp_ms, key, headers, payload, salt, payload_digest, hash,
      event_id, type, subject, tenant, recipient`;
    const [given] = await audit.owner.query<{ row: string }>(
      'SELECT row_to_json(r)::text AS row FROM records r WHERE partition = 0 AND sequence = 1',
    );
    await old.query(
      `INSERT INTO records (${columns}) SELECT ${columns} FROM json_populate_record(NULL::records, $1::json)`,
      [given!.row],
    );
    await old.query("INSERT INTO chains VALUES ('notification.events.v1', 0, 1, '', 1, 0)");
    await old.end();

    await createServiceDatabase(superuser, database);
    const url = Object.assign(new URL(audit.url), { pathname: `/${database}` });
    const taken = await Database.open(url.href, 5, logger);
    expect(await verifyAll(taken)).toMatchObject({ ok: true, records: 1 });
    await new Appender(taken, salts, logger).append('notification.events.v1', 0, raws(1, 3));
    expect(await verifyAll(taken)).toMatchObject({ ok: true, records: 3, notices: [] });
    await expect(taken.query('DELETE FROM records')).rejects.toMatchObject(DENIED);
    await taken.close();
    await audit.owner.query(`DROP DATABASE ${database} WITH (FORCE)`);
  });
});
