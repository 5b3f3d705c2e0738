import {
  databaseSettings,
  duration,
  integer,
  KAFKA_SETTINGS,
  matching,
  observabilitySettings,
  optional,
  port,
  PRODUCER_SETTINGS,
  secret,
  type Settings,
} from '@bongsu/config';
import { API_KEY_PATTERN, LONGEST_IDEMPOTENCY_WINDOW_MS } from '@bongsu/contracts';
import { retention } from '@bongsu/persistence';
import { PROJECTED_TOPICS } from './database/partitions.js';

export const API_SETTINGS = {
  ...KAFKA_SETTINGS,
  ...PRODUCER_SETTINGS,
  ...databaseSettings('api'),
  ...observabilitySettings(9464),
  PORT: port('where the API listens', '3000'),
  BOOTSTRAP_API_KEY: optional(
    secret(
      matching(
        new RegExp(API_KEY_PATTERN),
        '32 to 256 letters, digits, dashes and underscores',
      )('an admin key of tenant default that is always there'),
    ),
  ),
  IDEMPOTENCY_WINDOW: duration(1_000, LONGEST_IDEMPOTENCY_WINDOW_MS)(
    'for how long an Idempotency-Key stands for its request',
    '24h',
  ),
  STATUS_RETENTION: retention(PROJECTED_TOPICS)(
    'for how long notifications that have ended can be read; whole weeks are dropped',
    '90d',
  ),
  REQUEST_TIMEOUT: duration(100, 70_000)('how long headers, and then a body, may take to arrive', '30s'),
  RATE_LIMIT: integer(0, 1_000_000)('requests per second and API key; 0 for no limit', '0'),
} as const;

export type ApiSettings = Settings<typeof API_SETTINGS>;

/** The provider of the settings. */
export const SETTINGS = Symbol('ApiSettings');
