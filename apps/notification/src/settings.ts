import {
  KAFKA_SETTINGS,
  PRODUCER_SETTINGS,
  databaseSettings,
  duration,
  integer,
  list,
  observabilitySettings,
  type Settings,
} from '@bongsu/config';
import { retention } from '@bongsu/persistence';
import { CHANNEL_SETTINGS } from './channels/settings.js';
import { providerLimits } from './dispatch/limits.js';
import { retrySchedules } from './dispatch/retry-schedule.js';
import { REMEMBERED_TOPICS } from './housekeeping/retention.js';

export const NOTIFICATION_SETTINGS = {
  ...KAFKA_SETTINGS,
  ...PRODUCER_SETTINGS,
  ...databaseSettings('notification'),
  ...observabilitySettings(9465),
  ...CHANNEL_SETTINGS,
  RETRY_SCHEDULE: list(duration(1)('a gap'))(
    'the gaps between attempts; n gaps make n + 1 attempts; a Retry-After of up to 24 h takes the place of a gap',
    '5s,30s,2m,10m,30m,2h,6h,12h',
  ),
  RETRY_SCHEDULES: retrySchedules(
    'schedules of channels or providers of their own: email=1m,5m,30m;webhook=5s,30s (log= is one attempt)',
  ),
  PROVIDER_LIMITS: providerLimits(
    'limits by channel, provider or its host[:port], per process: email=20 (calls at a time), webhook/api.example.org=5/s',
  ),
  PROVIDER_TIMEOUT: duration(100, 600_000)('after how long a call of a provider is given up', '15s'),
  DISPATCH_CONCURRENCY: integer(1, 10_000)('calls of providers at the same time', '500'),
  DISPATCH_CAPACITY: integer(100, 1_000_000)('deliveries in memory; what is more waits in the ledger', '10000'),
  READ_AHEAD: integer(1000, 100_000_000)(
    'deliveries of one priority that wait in the ledger because memory is full; above it they stay in Kafka',
    '1000000',
  ),
  LEDGER_RETENTION: retention(REMEMBERED_TOPICS)(
    'for how long the ledger keeps what has ended; whole weeks are dropped',
    '30d',
  ),
  LEASE_TIME: duration(1000, 600_000)('after how long the work of a process that died is taken over', '10s'),
  CLAIM_INTERVAL: duration(10, 60_000)('how often due retries are looked for', '250ms'),
} as const;

export type NotificationSettings = Settings<typeof NOTIFICATION_SETTINGS>;
