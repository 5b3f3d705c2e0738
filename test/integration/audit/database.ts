import { randomBytes } from 'node:crypto';
import type { RawRecord } from '@bongsu/contracts';
import { SaltKeys, verifyStore, type Query, type VerifyReport } from '@bongsu/audit-chain';
import { createLogger } from '@bongsu/observability';
import { connect, createDataSource, query, transaction, type Tx } from '@bongsu/persistence';
import { Client } from 'pg';
import { inject } from 'vitest';
import { Database } from '../../../apps/audit/src/database/database.js';
import { createServiceDatabase, serviceUrl, superuserOf } from '../../../tools/stack/postgres-database.js';

export const logger = createLogger('audit-test', 'silent');

export interface AuditDatabase {
  readonly database: Database;
  readonly url: string;
  /** What whoever owns the database may do, and the service may not. */
  readonly owner: Owner;
  /** Another pool on the same database, as another replica has it. */
  another(): Promise<Database>;
  close(): Promise<void>;
}

export interface Owner {
  query<R = unknown>(sql: string, values?: readonly unknown[]): Promise<R[]>;
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
}

/** The salt keys of tests: the same in every one, so that what is made twice can be compared. */
export const salts = new SaltKeys([{ key: Buffer.alloc(32, 7) }]);

/** An audit database of its own, migrated. Must be closed. */
export async function freshAudit(): Promise<AuditDatabase> {
  const { postgresUrl, ports } = inject('bongsu');
  const superuser = superuserOf(postgresUrl);
  const name = `audit_${randomBytes(6).toString('hex')}`;
  await createServiceDatabase(superuser, name);
  const admin = new Client({ ...superuser, database: 'postgres' });
  await admin.connect();
  const url = serviceUrl('audit', ports.postgres, name);
  const opened: Database[] = [];
  const open = async (): Promise<Database> => {
    const database = await Database.open(url, 5, logger);
    opened.push(database);
    return database;
  };
  const database = await open();
  const ownerUrl = new URL(postgresUrl);
  ownerUrl.pathname = `/${name}`;
  const owning = createDataSource({ service: 'audit', url: ownerUrl.href, poolSize: 2, entities: [], migrations: [] });
  await connect(owning, logger);
  return {
    database,
    url,
    owner: {
      query: (sql, values) => query(owning, sql, values),
      transaction: (work) => transaction(owning, work),
    },
    another: open,
    async close() {
      await Promise.all(opened.map((each) => each.close()));
      await owning.destroy();
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.end();
    },
  };
}

/** A record such as Kafka gives it; everything can be said otherwise. */
export function raw(offset: number | bigint, more: Partial<RawRecord> = {}): RawRecord {
  const value = { tenant: 'acme', recipientId: `user-${offset}`, text: 'x'.repeat(50) };
  return {
    topic: 'notification.events.v1',
    partition: 0,
    offset: BigInt(offset),
    timestamp: BigInt(Date.now()),
    key: Buffer.from(`acme/user-${offset}`),
    value: Buffer.from(JSON.stringify(value)),
    headers: [
      ['ce_id', Buffer.from(`event-${offset}`)],
      ['ce_type', Buffer.from('bongsu.delivery.delivered.v1')],
      ['ce_subject', Buffer.from(`notification-${offset}`)],
    ],
    ...more,
  };
}

export const raws = (from: number, to: number): RawRecord[] =>
  Array.from({ length: to - from }, (_, i) => raw(from + i));

/** Verifies what an open transaction sees, so that a test can tamper with the store and roll back. */
export function verifyWithin(tx: Tx): Promise<VerifyReport> {
  const query: Query = (sql, values) => tx.query(sql, values);
  return verifyStore((work) => work(query));
}

export const verifyAll = (database: Database): Promise<VerifyReport> => database.transaction(verifyWithin);

/** Tampers with the store, verifies, and undoes the tampering. */
export async function afterTampering(owner: Owner, tamper: (tx: Tx) => Promise<unknown>): Promise<VerifyReport> {
  let report: VerifyReport | undefined;
  const undo = new Error('undo');
  await owner
    .transaction(async (tx) => {
      await tamper(tx);
      report = await verifyWithin(tx);
      throw undo;
    })
    .catch((error: unknown) => {
      if (error !== undo) throw error;
    });
  return report!;
}
