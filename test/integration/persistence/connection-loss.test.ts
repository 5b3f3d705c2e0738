import { createLogger } from '@bongsu/observability';
import { connectAndMigrate, createDataSource, poolOf } from '@bongsu/persistence';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';

const dataSource = createDataSource({
  service: 'connection_loss',
  url: inject('bongsu').postgresUrl,
  poolSize: 2,
  entities: [],
  migrations: [],
});
beforeAll(() => connectAndMigrate(dataSource, createLogger('test', 'silent')));
afterAll(async () => {
  await dataSource.query('DROP SCHEMA connection_loss CASCADE');
  await dataSource.destroy();
});

it('takes the error of a connection that is lost while it changes hands, which would end the process', async () => {
  // Two, so that one is new and one has been used before.
  const clients = await Promise.all([poolOf(dataSource).connect(), poolOf(dataSource).connect()]);
  try {
    for (const client of clients) expect(() => client.emit('error', new Error('terminated'))).not.toThrow();
  } finally {
    for (const client of clients) client.release(true);
  }
});
