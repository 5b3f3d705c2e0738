import {
  databaseSettings,
  integer,
  list,
  KAFKA_SETTINGS,
  matching,
  observabilitySettings,
  optional,
  port,
  PRODUCER_SETTINGS,
  secret,
  text,
  type Settings,
} from '@bongsu/config';
import { API_KEY_PATTERN } from '@bongsu/contracts';
import { saltKeys } from './chain/salt-keys.js';

export const AUDIT_SETTINGS = {
  ...KAFKA_SETTINGS,
  ...PRODUCER_SETTINGS,
  ...databaseSettings('audit'),
  ...observabilitySettings(9466),
  PORT: port('the HTTP interface', '3002'),
  BOOTSTRAP_API_KEY: optional(
    secret(matching(new RegExp(API_KEY_PATTERN), '32 or more characters of A-Z, a-z, 0-9, _ and -')('an admin key')),
  ),
  AUDIT_SALT_KEY: optional(saltKeys('what salts of payloads are derived with')),
  AUDIT_IMPORT: optional(list(text('a path'))('exports to rebuild the store from, files, comma-separated')),
  RATE_LIMIT: integer(0, 1_000_000)('requests per second and API key; 0 for no limit', '0'),
} as const;

export type AuditSettings = Settings<typeof AUDIT_SETTINGS>;
