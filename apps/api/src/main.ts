import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { readSettings, SettingsError } from '@bongsu/config';
import { createHttpApplication, Refusals } from '@bongsu/http';
import { KafkaBatchStrategy, KafkaPositions, KafkaProducer } from '@bongsu/kafka';
import { createLogger, ManagementServer, onFatal, type Logger } from '@bongsu/observability';
import { OutboxRelay } from '@bongsu/persistence';
import { startTracing, tracing } from '@bongsu/tracing';
import { KeyDirectory } from './access/key-directory.js';
import { AppModule } from './app.module.js';
import { databaseAway } from './database/database-away.js';
import { Database } from './database/database.js';
import { Eraser } from './erasure/eraser.js';
import { BATCH_ROUTE } from './notifications/batch/batch.controller.js';
import { Reservations } from './notifications/reservations.js';
import { API_SETTINGS, type ApiSettings } from './settings.js';

/** Everything must be over this long after SIGTERM, milliseconds; orchestrators kill after 10 s. */
const SHUTDOWN_MS = 9_000;
/** How long of that the last spans may take to be sent. */
const FLUSH_MS = 1_000;

const DESCRIPTION = {
  title: 'Bongsu API',
  description: 'Accepts notifications, tells what became of them, and manages the keys to do so.',
  version: '1',
};

async function main(): Promise<void> {
  const settings = readSettings(API_SETTINGS, process.env);
  const logger = createLogger('api', settings.LOG_LEVEL);
  onFatal(logger);
  await startTracing(settings, 'api', logger);
  let app: NestFastifyApplication | undefined;
  const management = manage(settings, logger, () => app);
  await management.start();
  stopOnSignal(logger, () => app, management);
  app = await createHttpApplication(AppModule.for(settings, logger), {
    logger,
    description: DESCRIPTION,
    requestTimeoutMs: settings.REQUEST_TIMEOUT,
    rateLimit: settings.RATE_LIMIT,
    ndjsonRoutes: [BATCH_ROUTE],
    classify: databaseAway,
    refusals: (created) => created.get(Refusals),
  });
  await app.get(KafkaProducer).connect();
  app.get(KeyDirectory).start();
  app.get(Reservations).start();
  void followKafka(app, logger);
  await app.listen(settings.PORT, '0.0.0.0');
  logger.info({ port: settings.PORT }, 'the API listens');
}

/** The read model and the outbox need the database, and wait for it; accepting notifications does not. */
async function followKafka(app: NestFastifyApplication, logger: Logger): Promise<void> {
  const database = app.get(Database);
  app.connectMicroservice({ strategy: app.get(KafkaBatchStrategy) });
  void database.start();
  await database.reached;
  app.get(OutboxRelay).start();
  app.get(Eraser).start();
  await app.startAllMicroservices();
  logger.info('the read model follows Kafka');
}

function manage(
  settings: ApiSettings,
  logger: Logger,
  app: () => NestFastifyApplication | undefined,
): ManagementServer {
  const started = (): NestFastifyApplication => {
    const running = app();
    if (!running) throw new Error('still starting');
    return running;
  };
  return new ManagementServer({
    port: settings.MANAGEMENT_PORT,
    logger,
    checks: [
      {
        name: 'kafka',
        required: true,
        check: () => {
          if (!started().get(KafkaProducer).available) throw new Error('Kafka does not acknowledge');
        },
      },
      { name: 'start-up', required: true, check: () => started().get(Database).checkStartUp() },
      // Notifications are accepted without these two; reads wait for them, or say so.
      { name: 'postgres', required: false, check: () => started().get(Database).check() },
      { name: 'read-model', required: false, check: () => started().get(KafkaBatchStrategy).checkHealth() },
    ],
  });
}

/** SIGTERM and SIGINT: take no new requests, finish those under way, hand everything to Kafka, exit 0. */
function stopOnSignal(
  logger: Logger,
  app: () => NestFastifyApplication | undefined,
  management: ManagementServer,
): void {
  let asked = false;
  const stop = async (): Promise<void> => {
    const running = app();
    if (running) await stopApplication(running);
    await tracing.stop(FLUSH_MS);
    await management.stop();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (asked) return;
      asked = true;
      logger.info({ signal }, 'stopping');
      void Promise.race([stop(), sleep(SHUTDOWN_MS, 'late' as const, { ref: false })])
        .then(
          (outcome) =>
            outcome === 'late' && logger.warn('not everything had stopped in time; what was accepted is in Kafka'),
        )
        .catch((error: unknown) =>
          logger.error({ err: error }, 'the stop was not clean; what was accepted is in Kafka'),
        )
        .finally(() => process.exit(0));
    });
  }
}

/** Closing the application ends the HTTP server first and then the consumer; what they use goes after them. */
async function stopApplication(app: NestFastifyApplication): Promise<void> {
  app.get(KeyDirectory).stop();
  app.get(Reservations).stop();
  await app.close();
  await app.get(Eraser).stop();
  await app.get(Refusals).stop();
  await app.get(OutboxRelay).stop(1_000);
  await app.get(KafkaProducer).close();
  app.get(KafkaPositions).close();
  await app.get(Database).stop();
}

main().catch((error: unknown) => {
  if (error instanceof SettingsError) process.stderr.write(`${error.message}\n`);
  else createLogger('api', 'info').fatal({ err: error }, 'the API cannot start');
  process.exit(1);
});
