import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { SettingsError, readSettings } from '@bongsu/config';
import { KafkaBatchStrategy, KafkaProducer } from '@bongsu/kafka';
import { ManagementServer, NestLogger, createLogger, onFatal, type Logger } from '@bongsu/observability';
import { Housekeeper, outboxPending, transaction } from '@bongsu/persistence';
import { startTracing, tracing } from '@bongsu/tracing';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { AppModule } from './app.module.js';
import { DataSource, ping } from './database/data-source.js';
import { dueBacklog, outboxPendingGauge } from './dispatch/metrics.js';
import { DisabledEndpoints } from './endpoints/disabled-endpoints.js';
import { Engine } from './engine.js';
import { Eraser } from './erasure/eraser.js';
import { freeOrphans } from './ledger/workers.js';
import { NOTIFICATION_SETTINGS, type NotificationSettings } from './settings.js';

/** Everything must be over this long after SIGTERM, milliseconds; orchestrators kill after 10 s. */
const SHUTDOWN_MS = 9_000;
/** How long of that calls of providers may take to finish. */
const IN_FLIGHT_MS = 5_000;
/** How long the last spans may take to be sent. */
const FLUSH_MS = 1_000;
const ORPHANS_MS = 60_000;
const GAUGES_MS = 2_000;

async function main(): Promise<void> {
  const settings = readSettings(NOTIFICATION_SETTINGS, process.env);
  const logger = createLogger('notification', settings.LOG_LEVEL);
  onFatal(logger);
  await startTracing(settings, 'notification', logger);
  let app: INestMicroservice | undefined;
  const management = new ManagementServer({
    port: settings.MANAGEMENT_PORT,
    logger,
    checks: [
      { name: 'kafka', required: true, check: () => started(app).get(KafkaBatchStrategy).checkHealth() },
      { name: 'postgres', required: true, check: () => ping(started(app).get(DataSource)) },
    ],
  });
  await management.start();
  const stopping = stopOnSignal(() => app, management, logger);
  app = await start(settings, logger);
  if (stopping.asked) return;
  logger.info('notification is ready');
}

async function start(settings: NotificationSettings, logger: Logger): Promise<INestMicroservice> {
  const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(
    AppModule.for(settings, logger, () => {
      logger.fatal('Another worker has taken this one for dead: the process ends so that it can start clean');
      process.exit(1);
    }),
    {
      logger: new NestLogger(logger),
      inject: [KafkaBatchStrategy],
      useFactory: (strategy: KafkaBatchStrategy) => ({ strategy }),
    },
  );
  app.get(DisabledEndpoints).start();
  app.get(Engine).start();
  app.get(Eraser).start();
  app.get(Housekeeper).start();
  keepHouse(app, logger);
  await app.listen();
  return app;
}

function keepHouse(app: INestMicroservice, logger: Logger): void {
  const dataSource = app.get(DataSource);
  const every = (ms: number, what: string, work: () => Promise<void>): void => {
    setInterval(() => {
      work().catch((error: unknown) => logger.warn({ err: error }, `${what} failed; it will be tried again`));
    }, ms).unref();
  };
  every(ORPHANS_MS, 'Looking for orphans', async () => {
    const freed = await freeOrphans(dataSource);
    if (freed > 0) logger.error({ freed }, 'Deliveries were leased to workers that are gone; they are free again');
  });
  every(ORPHANS_MS, 'Looking for what waits in the ledger', () => app.get(Engine).refreshBacklog());
  every(GAUGES_MS, 'Measuring the backlog', async () => {
    app.get(Engine).forgetIdleCircuits();
    dueBacklog.set(await app.get(Engine).ledger.countDue());
    outboxPendingGauge.set(await transaction(dataSource, outboxPending));
  });
}

function started(app: INestMicroservice | undefined): INestMicroservice {
  if (!app) throw new Error('still starting');
  return app;
}

/** SIGTERM and SIGINT: take nothing new, finish, write, give back, send, leave; then exit 0, at the latest at the deadline. */
function stopOnSignal(
  app: () => INestMicroservice | undefined,
  management: ManagementServer,
  logger: Logger,
): { asked: boolean } {
  const state = { asked: false };
  const stop = async (): Promise<void> => {
    const running = app();
    if (running) {
      await running.get(KafkaBatchStrategy).close();
      await running.get(Eraser).stop();
      await running.get(Housekeeper).stop();
      await running.get(DisabledEndpoints).stop();
      await running.get(Engine).stop(IN_FLIGHT_MS);
      await running.get(KafkaProducer).close();
      await running.close();
      await running.get(DataSource).destroy();
    }
    await tracing.stop(FLUSH_MS);
    await management.stop();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (state.asked) return;
      state.asked = true;
      logger.info({ signal }, 'Stopping');
      const late = sleep(SHUTDOWN_MS, 'late' as const, { ref: false });
      void Promise.race([stop(), late])
        .catch((error: unknown) => logger.error({ err: error }, 'The stop was not clean; nothing is lost by it'))
        .then((how) => {
          if (how === 'late') logger.warn('Not everything had stopped in time; the rest is taken over after the lease');
          process.exit(0);
        });
    });
  }
  return state;
}

main().catch((error: unknown) => {
  if (error instanceof SettingsError) process.stderr.write(`${error.message}\n`);
  else createLogger('notification', 'info').fatal({ err: error }, 'notification cannot start');
  process.exit(1);
});
