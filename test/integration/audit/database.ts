import { randomBytes } from 'node:crypto';
import type { RawRecord } from '@bongsu/contracts';
import { verifyStore, type Query, type VerifyReport } from '@bongsu/audit-chain';
import { createLogger } from '@bongsu/observability';
import type { Tx } from '@bongsu/persistence';
import { Client } from 'pg';
import { inject } from 'vitest';
import { Database } from '../../../apps/audit/src/database/database.js';

export const logger = createLogger('audit-test', 'silent');

export interface AuditDatabase {
  readonly database: Database;
  readonly url: string;
  /** Another pool on the same database, as another replica has it. */
  another(): Promise<Database>;
  close(): Promise<void>;
}

/** An audit database of its own, migrated. Must be closed. */
export async function freshAudit(): Promise<AuditDatabase> {
  const url = new URL(inject('bongsu').postgresUrl);
  const name = `audit_${randomBytes(6).toString('hex')}`;
  const admin = new Client({ connectionString: url.href });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  url.pathname = `/${name}`;
  const opened: Database[] = [];
  const open = async (): Promise<Database> => {
    const database = await Database.open(url.href, 5, logger);
    opened.push(database);
    return database;
  };
  const database = await open();
  return {
    database,
    url: url.href,
    another: open,
    async close() {
      await Promise.all(opened.map((each) => each.close()));
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
export async function afterTampering(database: Database, tamper: (tx: Tx) => Promise<unknown>): Promise<VerifyReport> {
  let report: VerifyReport | undefined;
  const undo = new Error('undo');
  await database
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
