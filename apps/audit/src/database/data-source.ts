import { createDataSource, query } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { Chain1795219300000 } from './migrations/1795219300000-chain.js';

export const auditDataSource = (url: string, poolSize: number): DataSource =>
  createDataSource({ service: 'audit', url, poolSize, entities: [], migrations: [Chain1795219300000] });

/** Rejects when the database does not answer: for the readiness check. */
export async function ping(dataSource: DataSource): Promise<void> {
  if (!dataSource.isInitialized) throw new Error('not connected yet');
  await query(dataSource, 'SELECT 1');
}
