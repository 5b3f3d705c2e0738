import { observabilitySettings, readSettings, SettingsError, type Settings, type SettingsSpec } from '@bongsu/config';
import { createLogger, type Logger } from '@bongsu/observability';
import type { DataSource } from 'typeorm';
import { connectAndMigrate } from './data-source.js';

/**
 * A program that makes a service's migrations and nothing else, for an orchestrator that does so before it replaces
 * anything (docs/operations.md#upgrade). The service makes them at its start, too; who comes second finds them made.
 * Waits for PostgreSQL as long as it is let. Sets the exit code to 1 if a migration fails or a setting is wrong.
 */
export async function migrationProgram<
  S extends SettingsSpec & Pick<ReturnType<typeof observabilitySettings>, 'LOG_LEVEL'>,
>(service: string, spec: S, migrate: (settings: Settings<S>, logger: Logger) => Promise<void>): Promise<void> {
  let logger = createLogger(service, 'info');
  try {
    const settings = readSettings(spec, process.env);
    logger = createLogger(service, String(settings.LOG_LEVEL));
    await migrate(settings, logger);
    logger.info('the migrations are made');
  } catch (error) {
    if (error instanceof SettingsError) process.stderr.write(`${error.message}\n`);
    else logger.fatal({ err: error }, 'a migration failed; what came before it stays');
    process.exitCode = 1;
  }
}

/** Makes the migrations of a DataSource that is used for nothing else. */
export async function migrateOnce(dataSource: DataSource, logger: Logger): Promise<void> {
  try {
    await connectAndMigrate(dataSource, logger);
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}
