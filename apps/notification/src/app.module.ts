import { CHANNELS, GROUPS, TOPICS } from '@bongsu/contracts';
import { KafkaBatchStrategy, KafkaProducer } from '@bongsu/kafka';
import type { Logger } from '@bongsu/observability';
import {
  Housekeeper,
  OUTBOX_RETENTION,
  StreamClosedError,
  connectAndMigrate,
  isInfrastructureError,
} from '@bongsu/persistence';
import { Module, type DynamicModule } from '@nestjs/common';
import type { ProviderRegistry } from './channels/provider.js';
import { createProviders } from './channels/registry.js';
import { DataSource, notificationDataSource, preparePartitions } from './database/data-source.js';
import { DisabledEndpoints } from './endpoints/disabled-endpoints.js';
import { assertNamed } from './dispatch/limits.js';
import { Engine } from './engine.js';
import { ErasureController } from './erasure/erasure.controller.js';
import { Eraser } from './erasure/eraser.js';
import { ledgerRetention } from './housekeeping/retention.js';
import { CommandsController } from './intake/commands.controller.js';
import { RequestsController } from './intake/requests.controller.js';
import { Redrive } from './redrive/redrive.js';
import { ShardLostError, WorkerLostError } from './ledger/shards.js';
import { Worker } from './ledger/workers.js';
import type { NotificationSettings } from './settings.js';

/** A deferred exit, so that tests and main decide what the end of the process means. */
export type OnLeaseLost = () => void;

@Module({})
export class AppModule {
  static for(settings: NotificationSettings, logger: Logger, onLeaseLost: OnLeaseLost): DynamicModule {
    return {
      module: AppModule,
      controllers: [RequestsController, CommandsController, ErasureController],
      providers: [
        {
          provide: DataSource,
          useFactory: async () => {
            const dataSource = notificationDataSource(settings.DATABASE_URL, settings.DATABASE_POOL);
            await connectAndMigrate(dataSource, logger);
            await preparePartitions(dataSource);
            return dataSource;
          },
        },
        {
          provide: KafkaProducer,
          useFactory: async () => {
            const producer = new KafkaProducer({ settings, clientId: 'bongsu-notification', logger });
            await producer.connect();
            return producer;
          },
        },
        {
          provide: Worker,
          inject: [DataSource],
          useFactory: (dataSource: DataSource) => Worker.register(dataSource, settings.LEASE_TIME, logger),
        },
        {
          provide: Engine,
          inject: [DataSource, Worker, KafkaProducer, DisabledEndpoints],
          useFactory: (dataSource: DataSource, worker: Worker, producer: KafkaProducer, endpoints: DisabledEndpoints) =>
            new Engine({
              dataSource,
              worker,
              providers: providers(settings, logger),
              endpoints,
              producer,
              logger,
              concurrency: settings.DISPATCH_CONCURRENCY,
              providerTimeoutMs: settings.PROVIDER_TIMEOUT,
              retrySchedule: settings.RETRY_SCHEDULE,
              retrySchedules: settings.RETRY_SCHEDULES,
              providerLimits: settings.PROVIDER_LIMITS,
              leaseMs: settings.LEASE_TIME,
              capacity: settings.DISPATCH_CAPACITY,
              readAhead: settings.READ_AHEAD,
              pollMs: settings.CLAIM_INTERVAL,
              onLeaseLost,
            }),
        },
        {
          provide: Redrive,
          inject: [DataSource, Worker, Engine],
          useFactory: (dataSource: DataSource, worker: Worker, engine: Engine) =>
            new Redrive(dataSource, worker, engine.shards, logger),
        },
        {
          provide: Eraser,
          inject: [DataSource, Engine],
          useFactory: (dataSource: DataSource, engine: Engine) => new Eraser({ dataSource, engine, logger }),
        },
        {
          provide: DisabledEndpoints,
          inject: [DataSource, Worker],
          useFactory: (dataSource: DataSource, worker: Worker) =>
            new DisabledEndpoints({ dataSource, stream: worker.stream, logger }),
        },
        {
          provide: Housekeeper,
          inject: [DataSource],
          useFactory: (dataSource: DataSource) =>
            new Housekeeper({
              dataSource,
              prepare: (now) => preparePartitions(dataSource, now),
              retentions: [ledgerRetention(settings.LEDGER_RETENTION), OUTBOX_RETENTION],
              logger,
            }),
        },
        {
          provide: KafkaBatchStrategy,
          inject: [Engine, KafkaProducer],
          useFactory: (engine: Engine, producer: KafkaProducer) => intake(engine, producer, settings, logger),
        },
      ],
    };
  }
}

/** About 500 records of a partition: a backlog of bulk must not be decoded while an urgent record waits. */
const FETCH_BYTES = 256 * 1024;

/** The providers, once it is certain that what is set for some of them by name is set for one of them. */
function providers(settings: NotificationSettings, logger: Logger): ProviderRegistry {
  const registry = createProviders(settings, logger);
  const all = CHANNELS.flatMap((channel) => registry.of(channel));
  assertNamed('PROVIDER_LIMITS', settings.PROVIDER_LIMITS.keys(), all, { destinations: true });
  assertNamed('RETRY_SCHEDULES', settings.RETRY_SCHEDULES.keys(), all, { destinations: false });
  return registry;
}

const isTakenOver = (error: unknown): boolean =>
  error instanceof ShardLostError || error instanceof WorkerLostError || error instanceof StreamClosedError;

function intake(
  engine: Engine,
  producer: KafkaProducer,
  settings: NotificationSettings,
  logger: Logger,
): KafkaBatchStrategy {
  const strategy = new KafkaBatchStrategy({
    group: GROUPS.notification,
    settings,
    clientId: 'bongsu-notification',
    producer,
    logger,
    // That another worker has taken over is never a record's fault: the rebalance, or the lease, is about to tell us too.
    isInfrastructureError: (error) => isTakenOver(error) || isInfrastructureError(error),
    // One key's lanes and commands must come to one process: it is what keeps its deliveries from overlapping.
    coPartition: true,
    maxBytesPerPartition: FETCH_BYTES,
    closeTimeoutMs: 2_000,
    onAssigned: (partitions) => engine.assign([...new Set([...partitions.values()].flat())]),
  });
  engine.whenFull((lane, full) => {
    if (full) strategy.pause(TOPICS.requests[lane]);
    else strategy.resume(TOPICS.requests[lane]);
  });
  return strategy;
}
