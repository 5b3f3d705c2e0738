import { createDataSource } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';
import { ApiKey } from '../access/api-key.entity.js';
import type { ApiSettings } from '../settings.js';
import { DeadLetters1795305700000 } from './migrations/1795305700000-dead-letters.js';
import { Erasures1795306100000 } from './migrations/1795306100000-erasures.js';
import { OpenNotifications1795309200000 } from './migrations/1795309200000-open-notifications.js';
import { ReadModel1795219300000 } from './migrations/1795219300000-read-model.js';

export const apiDataSource = (settings: ApiSettings): DataSource =>
  createDataSource({
    service: 'api',
    url: settings.DATABASE_URL,
    poolSize: settings.DATABASE_POOL,
    entities: [ApiKey],
    migrations: [
      ReadModel1795219300000,
      DeadLetters1795305700000,
      Erasures1795306100000,
      OpenNotifications1795309200000,
    ],
  });
