import type { PoolClient } from 'pg';
import type { DataSource } from 'typeorm';
import { withBinaryArrays } from './binary-arrays.js';
import { poolOf } from './data-source.js';

/** A statement with a name is prepared once per connection and then only bound: for the hot paths. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** An open transaction. It is passed on visibly: what takes a Tx belongs to its caller's transaction. */
export interface Tx {
  query<R = unknown>(sql: string | Statement, values?: readonly unknown[]): Promise<R[]>;
}

/** A Tx together with the number of rows that the last statement changed is rarely needed; RETURNING serves instead. */
const on = (client: Pick<PoolClient, 'query'>): Tx => ({
  async query<R>(sql: string | Statement, values: readonly unknown[] = []): Promise<R[]> {
    const result =
      typeof sql === 'string'
        ? await client.query(sql, values as unknown[])
        : await client.query({ name: sql.name, text: sql.text, values: withBinaryArrays(sql, values) });
    return result.rows as R[];
  },
});

/**
 * Runs `work` in one transaction (READ COMMITTED) and commits, or rolls back and rethrows. Nothing is retried here: the
 * caller knows whether its work may run again.
 */
export async function transaction<T>(dataSource: DataSource, work: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await poolOf(dataSource).connect();
  // Without a listener, a connection that breaks while it is checked out would bring down the process.
  client.on('error', ignore);
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    const result = await work(on(client));
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((rollback: unknown) => {
      broken = rollback instanceof Error ? rollback : new Error(String(rollback));
    });
    throw error;
  } finally {
    client.off('error', ignore);
    client.release(broken);
  }
}

/** Each statement in a transaction of its own, for what is written for a Tx and is one statement this time. */
export const onPool = (dataSource: DataSource): Tx => on(poolOf(dataSource));

/** One statement in a transaction of its own. */
export const query = <R = unknown>(
  dataSource: DataSource,
  sql: string | Statement,
  values: readonly unknown[] = [],
): Promise<R[]> => onPool(dataSource).query<R>(sql, values);

function ignore(): void {}
