import { Client } from 'pg';
import {
  LAST_RECORDS,
  verifyStore,
  type CheckpointBook,
  type HeadRow,
  type Query,
  type VerifyReport,
} from '@bongsu/audit-chain';
import { CommandFailure, EXIT } from '../command-line/exit.js';
import type { OnRecord } from './exports.js';
import type { Progress } from './progress.js';

/** Verifies an audit database without its service: for whoever trusts the database's bytes, but not the program beside it. */
export async function verifyDatabase(
  url: string,
  book: CheckpointBook,
  progress: Progress,
  onRecord: OnRecord | undefined,
): Promise<VerifyReport> {
  const client = await connected(url);
  const query: Query = async <R>(sql: string, values: readonly unknown[] = []) => {
    const { rows } = await client.query(sql, values as unknown[]);
    return rows as R[];
  };
  try {
    progress.expect((await query<HeadRow>(LAST_RECORDS)).reduce((sum, { sequence }) => sum + Number(sequence), 0));
    let records = 0;
    const snapshot = async <T>(work: (query: Query) => Promise<T>): Promise<T> => {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      try {
        return await work(query);
      } finally {
        await client.query('ROLLBACK');
      }
    };
    return await verifyStore(snapshot, book, async (page) => {
      progress.at((records += page.length));
      if (onRecord) for (const record of page) await onRecord(record);
    });
  } catch (cause) {
    if (cause instanceof CommandFailure) throw cause;
    throw new CommandFailure(EXIT.unreachable, `The database cannot be read: ${messageOf(cause)}`, { cause });
  } finally {
    await client.end();
  }
}

async function connected(url: string): Promise<Client> {
  const client = new Client({
    connectionString: url,
    application_name: 'bongsu-cli',
    connectionTimeoutMillis: 10_000,
    options: '-c search_path=audit',
  });
  client.on('error', () => undefined); // a lost connection fails the statement that waits, which is where it is handled
  try {
    await client.connect();
    return client;
  } catch (cause) {
    throw new CommandFailure(EXIT.unreachable, `The database cannot be reached: ${messageOf(cause)}`, { cause });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
