import { GROUPS } from '@bongsu/contracts';
import { API_KEY_DIRECTORY, Refusals } from '@bongsu/http';
import { KafkaBatchStrategy, KafkaPositions, KafkaProducer } from '@bongsu/kafka';
import type { Logger } from '@bongsu/observability';
import { Module, type Type } from '@nestjs/common';
import { RecordRead } from './access/audited-read.js';
import { ApiKeys } from './access/api-keys.js';
import { Appender } from './chain/appender.js';
import { ChainsController } from './chain/chains.controller.js';
import { saltKeysOf } from './chain/salt-keys.js';
import { CheckpointKeys } from './checkpoints/checkpoint-keys.js';
import { Checkpointer } from './checkpoints/checkpointer.js';
import { CheckpointsController } from './checkpoints/checkpoints.controller.js';
import { KeysController } from './checkpoints/keys.controller.js';
import { Receipts } from './checkpoints/receipts.js';
import { ReceiptsController } from './checkpoints/receipts.controller.js';
import { IntakeController } from './chain/intake.controller.js';
import { Database } from './database/database.js';
import { Eraser } from './erasure/eraser.js';
import { ExportController } from './records/export.controller.js';
import { RecordsController } from './records/records.controller.js';
import { Rewinding } from './rebuild/rewinding.js';
import type { AuditSettings } from './settings.js';
import { BackgroundVerification } from './verify/background.js';
import { Verification } from './verify/verification.js';
import { VerifyController } from './verify/verify.controller.js';

/** The service's module. Making the application waits for PostgreSQL, as long as it takes or until the signal aborts. */
export function auditModule(settings: AuditSettings, logger: Logger, signal: AbortSignal): Type<unknown> {
  @Module({
    controllers: [
      IntakeController,
      ChainsController,
      RecordsController,
      ExportController,
      VerifyController,
      CheckpointsController,
      KeysController,
      ReceiptsController,
    ],
    providers: [
      {
        provide: Database,
        useFactory: () => Database.open(settings.DATABASE_URL, settings.DATABASE_POOL, logger, signal),
      },
      {
        provide: Appender,
        inject: [Database, Eraser, CheckpointKeys],
        useFactory: (database: Database, eraser: Eraser, keys: CheckpointKeys) => {
          const salts = saltKeysOf(settings.AUDIT_SALT_KEY, keys.current?.seed, logger);
          return new Appender(database, salts, logger, () => eraser.notify());
        },
      },
      { provide: CheckpointKeys, useFactory: () => new CheckpointKeys(settings) },
      {
        provide: Checkpointer,
        inject: [Database, CheckpointKeys, KafkaProducer],
        useFactory: (database: Database, keys: CheckpointKeys, producer: KafkaProducer) =>
          new Checkpointer({
            database,
            keys,
            every: settings.AUDIT_CHECKPOINT_EVERY,
            file: settings.AUDIT_CHECKPOINT_FILE,
            sendAll: (records) => producer.sendAll(records),
            logger,
          }),
      },
      {
        provide: Receipts,
        inject: [Database, CheckpointKeys],
        useFactory: (database: Database, keys: CheckpointKeys) =>
          new Receipts(database, keys, settings.AUDIT_CHECKPOINT_EVERY.ms, logger),
      },
      { provide: Eraser, inject: [Database], useFactory: (database: Database) => new Eraser(database, logger) },
      {
        provide: Verification,
        inject: [Database, CheckpointKeys],
        useFactory: (database: Database, keys: CheckpointKeys) => new Verification(database, logger, () => keys.own),
      },
      {
        provide: BackgroundVerification,
        inject: [Database, CheckpointKeys],
        useFactory: (database: Database, keys: CheckpointKeys) =>
          new BackgroundVerification(database, logger, { rate: settings.AUDIT_VERIFY_RATE, keys: () => keys.own }),
      },
      {
        provide: ApiKeys,
        inject: [Database],
        useFactory: (database: Database) => new ApiKeys(database, settings.BOOTSTRAP_API_KEY, logger),
      },
      { provide: API_KEY_DIRECTORY, useExisting: ApiKeys },
      {
        provide: KafkaProducer,
        useFactory: async () => {
          const producer = new KafkaProducer({ settings, clientId: 'bongsu-audit', logger });
          await producer.connect();
          return producer;
        },
      },
      RecordRead,
      {
        provide: Refusals,
        inject: [KafkaProducer],
        useFactory: (producer: KafkaProducer) =>
          new Refusals({ service: 'audit', send: (record) => producer.send(record) }),
      },
      {
        provide: Rewinding,
        inject: [Database],
        useFactory: (database: Database) => {
          const kafka = new KafkaPositions({ settings, clientId: 'bongsu-audit-positions', logger });
          return new Rewinding(database, kafka, logger);
        },
      },
      {
        provide: KafkaBatchStrategy,
        inject: [KafkaProducer],
        useFactory: (producer: KafkaProducer) => intake(settings, producer, logger),
      },
    ],
  })
  class AuditModule {}
  return AuditModule;
}

/** How much later the trail may have a record, milliseconds: each fetch is a transaction at least. */
const GATHER_MS = 500;
/** All that a fetch brought goes into one transaction, or a few. */
const PARTITIONS_AT_ONCE = 64;

const intake = (settings: AuditSettings, producer: KafkaProducer, logger: Logger): KafkaBatchStrategy =>
  new KafkaBatchStrategy({
    group: GROUPS.audit,
    settings,
    clientId: 'bongsu-audit',
    producer,
    logger,
    gatherMs: GATHER_MS,
    partitionsConcurrently: PARTITIONS_AT_ONCE,
    // A record that is not in the chain is a hole in the trail, so none is ever given up: a fault of ours stands still,
    // retries and shows as lag until it is mended.
    isInfrastructureError: () => true,
  });
