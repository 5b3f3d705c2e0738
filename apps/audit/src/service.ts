import { BongsuError } from '@bongsu/contracts';
import { createHttpApplication, Refusals } from '@bongsu/http';
import { KafkaBatchStrategy, KafkaProducer } from '@bongsu/kafka';
import type { Logger } from '@bongsu/observability';
import { isInfrastructureError } from '@bongsu/persistence';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiKeys } from './access/api-keys.js';
import { auditModule } from './app.module.js';
import { readHeads } from './chain/heads.js';
import { Database } from './database/database.js';
import { importExports } from './rebuild/import.js';
import { Rewinding } from './rebuild/rewinding.js';
import { Checkpointer } from './checkpoints/checkpointer.js';
import { Appender } from './chain/appender.js';
import { Eraser } from './erasure/eraser.js';
import type { AuditSettings } from './settings.js';
import { BackgroundVerification } from './verify/background.js';

const MONTHS_EVERY_MS = 6 * 3_600_000;
/** How old the gauges of chains that other replicas append to may be. */
const HEADS_EVERY_MS = 15_000;

const DESCRIPTION = {
  title: 'Bongsu audit',
  description: 'The record of everything, in hash chains that anybody can verify (docs/audit-format.md).',
  version: '1',
};

/** Connects and migrates, waiting for PostgreSQL as long as it takes or until the signal aborts. Nothing is served yet. */
export async function createService(
  settings: AuditSettings,
  logger: Logger,
  signal: AbortSignal,
): Promise<NestFastifyApplication> {
  return await createHttpApplication(auditModule(settings, logger, signal), {
    logger,
    description: DESCRIPTION,
    rateLimit: settings.RATE_LIMIT,
    refusals: (app) => app.get(Refusals),
    classify: (error) =>
      isInfrastructureError(error) ? new BongsuError('database_unavailable', undefined, { cause: error }) : undefined,
  });
}

/**
 * Serves HTTP (port 0 for any), imports exports if there are any to import (rejects when one cannot be), and joins the
 * consumer group, in the background while Kafka is away.
 */
export async function startService(
  app: NestFastifyApplication,
  settings: Pick<AuditSettings, 'PORT' | 'AUDIT_IMPORT'>,
  logger: Logger,
): Promise<void> {
  app.connectMicroservice({ strategy: app.get(KafkaBatchStrategy) });
  app.get(ApiKeys).start();
  app.get(Eraser).start();
  // Before Kafka: what is recorded can be verified while Kafka is away. (Reading it takes Kafka, which is told first.)
  await app.listen(settings.PORT, '0.0.0.0');
  await importExports(settings.AUDIT_IMPORT ?? [], app.get(Appender), logger);
  app.get(BackgroundVerification).start();
  app.get(Checkpointer).start();
  void joinGroup(app, logger);
  setInterval(() => {
    app
      .get(Database)
      .prepareMonths(Date.now())
      .catch((error: unknown) => logger.warn({ err: error }, 'Making partitions failed; it will be tried again'));
  }, MONTHS_EVERY_MS).unref();
  // A failure shows in the readiness check, which asks the same database.
  setInterval(() => void readHeads(app.get(Database)).catch(() => undefined), HEADS_EVERY_MS).unref();
}

async function joinGroup(app: NestFastifyApplication, logger: Logger): Promise<void> {
  try {
    if (await app.get(Rewinding).rewindIfBehind()) await app.startAllMicroservices();
  } catch (error) {
    logger.fatal({ err: error }, 'The group cannot be joined');
    process.exit(1);
  }
}

/** Takes nothing new, finishes the batch in hand, leaves the group, answers what was asked, and lets go of everything. */
export async function stopService(app: NestFastifyApplication): Promise<void> {
  app.get(ApiKeys).stop();
  app.get(Rewinding).stop();
  await app.get(KafkaBatchStrategy).close();
  await app.close();
  await app.get(Checkpointer).stop();
  await app.get(BackgroundVerification).stop();
  await app.get(Eraser).stop();
  await app.get(Refusals).stop();
  await app.get(KafkaProducer).close();
  await app.get(Database).close();
}
