import 'reflect-metadata';
import { migrateOnce, migrationProgram } from '@bongsu/persistence';
import { API_SETTINGS } from '../settings.js';
import { apiDataSource } from './data-source.js';

await migrationProgram('api', API_SETTINGS, (settings, logger) => migrateOnce(apiDataSource(settings), logger));
