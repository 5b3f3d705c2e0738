import 'reflect-metadata';
import { migrationProgram } from '@bongsu/persistence';
import { AUDIT_SETTINGS } from '../settings.js';
import { Database } from './database.js';

await migrationProgram('audit', AUDIT_SETTINGS, async (settings, logger) => {
  const database = await Database.open(settings.DATABASE_URL, settings.DATABASE_POOL, logger);
  await database.close();
});
