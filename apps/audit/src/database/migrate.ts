import 'reflect-metadata';
import { readSettings } from '@bongsu/config';
import { createLogger } from '@bongsu/observability';
import { AUDIT_SETTINGS } from '../settings.js';
import { Database } from './database.js';

/*
 * The service's migrations and nothing else, for an orchestrator that makes them before it replaces anything
 * (docs/operations.md#upgrade). The service makes them at its start, too; who comes second finds them made. Ends with 1
 * when one fails; waits for PostgreSQL as long as it is let.
 */
const settings = readSettings(AUDIT_SETTINGS, process.env);
const logger = createLogger('audit', settings.LOG_LEVEL);
try {
  const database = await Database.open(settings.DATABASE_URL, settings.DATABASE_POOL, logger);
  await database.close();
  logger.info('the migrations are made');
} catch (error) {
  logger.fatal({ err: error }, 'a migration failed; what came before it stays');
  process.exitCode = 1;
}
