import 'reflect-metadata';
import { readSettings, SettingsError } from '@bongsu/config';
import { createLogger } from '@bongsu/observability';
import { connectAndMigrate } from '@bongsu/persistence';
import { NOTIFICATION_SETTINGS } from '../settings.js';
import { notificationDataSource } from './data-source.js';

/**
 * The service's migrations and nothing else, for an orchestrator that makes them before it replaces anything
 * (docs/operations.md#upgrade). The service makes them at its start, too; who comes second finds them made. Waits for
 * PostgreSQL as long as it is let.
 */
async function main(): Promise<void> {
  const settings = readSettings(NOTIFICATION_SETTINGS, process.env);
  const logger = createLogger('notification', settings.LOG_LEVEL);
  const dataSource = notificationDataSource(settings.DATABASE_URL, settings.DATABASE_POOL);
  try {
    await connectAndMigrate(dataSource, logger);
    logger.info('the migrations are made');
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}

main().catch((error: unknown) => {
  if (error instanceof SettingsError) process.stderr.write(`${error.message}\n`);
  else createLogger('notification', 'info').fatal({ err: error }, 'a migration failed; what came before it stays');
  process.exitCode = 1;
});
