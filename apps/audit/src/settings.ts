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
import { signingKey } from './checkpoints/checkpoint-keys.js';
import { checkpointEvery } from './checkpoints/every.js';

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
  AUDIT_SIGNING_KEY: optional(signingKey('what checkpoints are signed with')),
  AUDIT_PREVIOUS_SIGNING_KEY: optional(
    signingKey('the signing key before, for as long as the new one is to be announced'),
  ),
  AUDIT_ORIGIN: matching(/^[\w.-]{1,100}(?:\/[\w.-]{1,100}){0,4}$/, 'a name such as example.org/audit')(
    'who speaks in checkpoints: the name of the key and the beginning of the first line',
    'bongsu',
  ),
  AUDIT_CHECKPOINT_EVERY: checkpointEvery('after how many records or how much time a chain is signed', '10s'),
  AUDIT_CHECKPOINT_FILE: optional(text('a file that checkpoints are appended to')),
  AUDIT_IMPORT: optional(list(text('a path'))('exports to rebuild the store from, files, comma-separated')),
  AUDIT_VERIFY_RATE: integer(0, 1_000_000)('records verified per second in the background; 0 for none', '2000'),
  RATE_LIMIT: integer(0, 1_000_000)('requests per second and API key; 0 for no limit', '0'),
} as const;

export type AuditSettings = Settings<typeof AUDIT_SETTINGS>;
