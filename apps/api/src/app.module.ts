import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { GROUPS } from '@bongsu/contracts';
import { API_KEY_DIRECTORY, Refusals } from '@bongsu/http';
import { KafkaBatchStrategy, KafkaPositions, KafkaProducer } from '@bongsu/kafka';
import { Pace } from '@bongsu/lanes';
import type { Logger } from '@bongsu/observability';
import { isInfrastructureError, OutboxRelay } from '@bongsu/persistence';
import { ApiKeysController } from './access/api-keys.controller.js';
import { ACCESS_STREAM, ApiKeys } from './access/api-keys.js';
import { KeyDirectory } from './access/key-directory.js';
import { apiDataSource } from './database/data-source.js';
import { Database } from './database/database.js';
import { DeadLettersController } from './dead-letters/dead-letters.controller.js';
import { DeadLetters } from './dead-letters/dead-letters.js';
import { Redrive } from './dead-letters/redrive.js';
import { DisabledEndpointsController } from './endpoints/disabled-endpoints.controller.js';
import { DisabledEndpoints } from './endpoints/disabled-endpoints.js';
import { ErasureController } from './erasure/erasure.controller.js';
import { ErasureIntakeController } from './erasure/erasure-intake.controller.js';
import { Eraser } from './erasure/eraser.js';
import { ImportsController } from './imports/imports.controller.js';
import { Acceptance } from './notifications/acceptance.js';
import { BatchController } from './notifications/batch/batch.controller.js';
import { Cancellation } from './notifications/cancellation.js';
import { Idempotency } from './notifications/idempotency.js';
import { NotificationsController } from './notifications/notifications.controller.js';
import { RecentSends } from './notifications/recent-sends.js';
import { Reservations } from './notifications/reservations.js';
import { SETTINGS, type ApiSettings } from './settings.js';
import { Freshness } from './status/freshness.js';
import { mannersOf } from './status/manners.js';
import { ProjectionController } from './status/projection.controller.js';
import { Projection } from './status/projection.js';
import { StatusController } from './status/status.controller.js';
import { StatusReader } from './status/status-reader.js';

/** The API's parts and what each is made of. */
@Module({})
export class AppModule {
  static for(settings: ApiSettings, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      controllers: [
        BatchController,
        NotificationsController,
        StatusController,
        DeadLettersController,
        DisabledEndpointsController,
        ErasureController,
        ApiKeysController,
        ProjectionController,
        ErasureIntakeController,
        ImportsController,
      ],
      providers: [
        ...infrastructure(settings, logger),
        ...access(settings, logger),
        ...notifications(settings, logger),
        ...status(logger),
        ...failures(),
      ],
    };
  }
}

const infrastructure = (settings: ApiSettings, logger: Logger): Provider[] => [
  { provide: SETTINGS, useValue: settings },
  { provide: Database, useFactory: () => new Database(apiDataSource(settings), settings.STATUS_RETENTION, logger) },
  { provide: KafkaProducer, useFactory: () => new KafkaProducer({ settings, clientId: 'bongsu-api', logger }) },
  {
    provide: KafkaPositions,
    useFactory: () => new KafkaPositions({ settings, clientId: 'bongsu-api-positions', logger }),
  },
  {
    provide: KafkaBatchStrategy,
    inject: [KafkaProducer],
    useFactory: (producer: KafkaProducer) =>
      new KafkaBatchStrategy({
        group: GROUPS.status,
        settings,
        producer,
        logger,
        isInfrastructureError,
        // Requests are answered by the same process: a fetch must not be decoded for longer than they can wait.
        maxBytesPerPartition: FETCH_BYTES,
        partitionsConcurrently: PARTITIONS_AT_ONCE,
        gatherMs: GATHER_MS,
      }),
  },
];

/** About 500 records of a partition. */
const FETCH_BYTES = 256 * 1024;
/** All that a fetch brought goes into one transaction. */
const PARTITIONS_AT_ONCE = 64;
/** How much later the read model may have a record, milliseconds. */
const GATHER_MS = 50;

const access = (settings: ApiSettings, logger: Logger): Provider[] => [
  {
    provide: KeyDirectory,
    inject: [Database],
    useFactory: (database: Database) =>
      new KeyDirectory({ database, logger, bootstrapKey: settings.BOOTSTRAP_API_KEY }),
  },
  { provide: API_KEY_DIRECTORY, useExisting: KeyDirectory },
  {
    provide: Refusals,
    inject: [KafkaProducer],
    useFactory: (producer: KafkaProducer) => new Refusals({ service: 'api', send: (record) => producer.send(record) }),
  },
  {
    provide: OutboxRelay,
    inject: [Database, KafkaProducer],
    useFactory: (database: Database, producer: KafkaProducer) =>
      new OutboxRelay({
        dataSource: database.source,
        stream: ACCESS_STREAM,
        producer,
        logger,
      }),
  },
  {
    provide: ApiKeys,
    inject: [Database, KeyDirectory, OutboxRelay],
    useFactory: (database: Database, directory: KeyDirectory, relay: OutboxRelay) =>
      new ApiKeys(database, directory, () => relay.notify()),
  },
];

const notifications = (settings: ApiSettings, logger: Logger): Provider[] => [
  RecentSends,
  Pace,
  { provide: Reservations, inject: [Database], useFactory: (database: Database) => new Reservations(database, logger) },
  {
    provide: Idempotency,
    inject: [Reservations],
    useFactory: (reservations: Reservations) =>
      new Idempotency({ reservations, windowMs: settings.IDEMPOTENCY_WINDOW }),
  },
  {
    provide: Acceptance,
    inject: [KafkaProducer, Idempotency, RecentSends, Pace],
    useFactory: (producer: KafkaProducer, idempotency: Idempotency, recent: RecentSends, pace: Pace) =>
      new Acceptance(producer, idempotency, recent, pace),
  },
  {
    provide: Cancellation,
    inject: [StatusReader, KafkaProducer],
    useFactory: (reader: StatusReader, producer: KafkaProducer) => new Cancellation(reader, producer),
  },
];

const status = (logger: Logger): Provider[] => [
  { provide: Eraser, inject: [Database], useFactory: (database: Database) => new Eraser(database, logger) },
  {
    provide: Projection,
    inject: [Database, Pace],
    useFactory: (database: Database, pace: Pace) => new Projection(database, logger, mannersOf(pace)),
  },
  {
    provide: Freshness,
    inject: [Database, KafkaPositions],
    useFactory: (database: Database, kafka: KafkaPositions) => new Freshness(database, kafka),
  },
  {
    provide: StatusReader,
    inject: [Database, Freshness, RecentSends],
    useFactory: (database: Database, freshness: Freshness, recent: RecentSends) =>
      new StatusReader(database, freshness, recent),
  },
];

/** Deliveries and endpoints that were given up, and how they come back. */
const failures = (): Provider[] => [
  { provide: DeadLetters, inject: [Database], useFactory: (database: Database) => new DeadLetters(database) },
  {
    provide: Redrive,
    inject: [DeadLetters, KafkaProducer],
    useFactory: (letters: DeadLetters, producer: KafkaProducer) => new Redrive(letters, producer),
  },
  {
    provide: DisabledEndpoints,
    inject: [Database, KafkaProducer],
    useFactory: (database: Database, producer: KafkaProducer) => new DisabledEndpoints(database, producer),
  },
];
