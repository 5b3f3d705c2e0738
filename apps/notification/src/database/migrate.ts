import 'reflect-metadata';
import { migrateOnce, migrationProgram } from '@bongsu/persistence';
import { NOTIFICATION_SETTINGS } from '../settings.js';
import { notificationDataSource } from './data-source.js';

await migrationProgram('notification', NOTIFICATION_SETTINGS, (settings, logger) =>
  migrateOnce(notificationDataSource(settings.DATABASE_URL, settings.DATABASE_POOL), logger),
);
