import { Client } from 'pg';
import { verifyStore, type Query, type VerifyReport } from '@bongsu/audit-chain';
import { CommandFailure, EXIT } from '../command-line/exit.js';

/** Verifies an audit database without its service: for whoever trusts the database's bytes, but not the program beside it. */
export async function verifyDatabase(url: string): Promise<VerifyReport> {
  const client = await connected(url);
  const query: Query = async <R>(sql: string, values: readonly unknown[] = []) => {
    const { rows } = await client.query(sql, values as unknown[]);
    return rows as R[];
  };
  try {
    return await verifyStore(async (work) => {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      try {
        return await work(query);
      } finally {
        await client.query('ROLLBACK');
      }
    });
  } catch (cause) {
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
