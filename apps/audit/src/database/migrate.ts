import 'reflect-metadata';
import { readSettings, SettingsError } from '@bongsu/config';
import { createLogger } from '@bongsu/observability';
import { AUDIT_SETTINGS } from '../settings.js';
import { Database } from './database.js';

/**
 * The service's migrations and nothing else, for an orchestrator that makes them before it replaces anything
 * (docs/operations.md#upgrade). The service makes them at its start, too; who comes second finds them made. Waits for
 * PostgreSQL as long as it is let.
 */
async function main(): Promise<void> {
  const settings = readSettings(AUDIT_SETTINGS, process.env);
  const logger = createLogger('audit', settings.LOG_LEVEL);
  const database = await Database.open(settings.DATABASE_URL, settings.DATABASE_POOL, logger);
  await database.close();
  logger.info('the migrations are made');
}

main().catch((error: unknown) => {
  if (error instanceof SettingsError) process.stderr.write(`${error.message}\n`);
  else createLogger('audit', 'info').fatal({ err: error }, 'a migration failed; what came before it stays');
  process.exitCode = 1;
});
