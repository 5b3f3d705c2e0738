import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { readSettings, SettingsError } from '@bongsu/config';
import { BongsuError } from '@bongsu/contracts';
import { createHttpApplication } from '@bongsu/http';
import { KafkaBatchStrategy, KafkaProducer } from '@bongsu/kafka';
import { createLogger, ManagementServer, onFatal, type Logger } from '@bongsu/observability';
import { isInfrastructureError } from '@bongsu/persistence';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DataSource } from 'typeorm';
import { ApiKeys } from './access/api-keys.js';
import { auditModule } from './app.module.js';
import { ping } from './database/data-source.js';
import { prepareMonths } from './database/month-partitions.js';
import { AUDIT_SETTINGS, type AuditSettings } from './settings.js';

/** Everything must be over this long after SIGTERM, milliseconds; orchestrators kill after 10 s. */
const SHUTDOWN_MS = 9_000;
const MONTHS_EVERY_MS = 6 * 3_600_000;

const DESCRIPTION = {
  title: 'Bongsu audit',
  description: 'The record of everything, in hash chains that anybody can verify (docs/audit-format.md).',
  version: '1',
};

async function main(): Promise<void> {
  const settings = readSettings(AUDIT_SETTINGS, process.env);
  const logger = createLogger('audit', settings.LOG_LEVEL);
  onFatal(logger);
  let app: NestFastifyApplication | undefined;
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
  try {
    app = await create(settings, logger, stopping.signal);
    if (!stopping.signal.aborted) await start(app, settings, logger);
  } catch (error) {
    if (!stopping.signal.aborted) throw error; // what was still waiting for PostgreSQL or Kafka was told to give up
  }
}

async function create(settings: AuditSettings, logger: Logger, signal: AbortSignal): Promise<NestFastifyApplication> {
  return await createHttpApplication(auditModule(settings, logger, signal), {
    logger,
    description: DESCRIPTION,
    rateLimit: settings.RATE_LIMIT,
    classify: (error) =>
      isInfrastructureError(error) ? new BongsuError('database_unavailable', undefined, { cause: error }) : undefined,
  });
}

async function start(app: NestFastifyApplication, settings: AuditSettings, logger: Logger): Promise<void> {
  app.connectMicroservice({ strategy: app.get(KafkaBatchStrategy) });
  app.get(ApiKeys).start();
  // Before Kafka: what is recorded can be read and verified while Kafka is away.
  await app.listen(settings.PORT, '0.0.0.0');
  await app.startAllMicroservices();
  setInterval(() => {
    prepareMonths(app.get(DataSource), Date.now()).catch((error: unknown) =>
      logger.warn({ err: error }, 'Making partitions failed; it will be tried again'),
    );
  }, MONTHS_EVERY_MS).unref();
  logger.info({ port: settings.PORT }, 'audit is ready');
}

function started(app: NestFastifyApplication | undefined): NestFastifyApplication {
  if (!app) throw new Error('still starting');
  return app;
}

/** SIGTERM and SIGINT: take nothing new, finish the batch, leave; then exit 0, at the latest at the deadline. */
function stopOnSignal(
  app: () => NestFastifyApplication | undefined,
  management: ManagementServer,
  logger: Logger,
): { signal: AbortSignal } {
  const stopping = new AbortController();
  const stop = async (): Promise<void> => {
    const running = app();
    if (running) {
      running.get(ApiKeys).stop();
      await running.get(KafkaBatchStrategy).close();
      await running.close();
      await running.get(KafkaProducer).close();
      await running.get(DataSource).destroy();
    }
    await management.stop();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) return;
      stopping.abort(new Error('stopping'));
      logger.info({ signal }, 'Stopping');
      const late = sleep(SHUTDOWN_MS, 'late' as const, { ref: false });
      void Promise.race([stop(), late])
        .catch((error: unknown) => logger.error({ err: error }, 'The stop was not clean; nothing is lost by it'))
        .then((how) => {
          if (how === 'late')
            logger.warn('Not everything had stopped in time; Kafka delivers again what was not committed');
          process.exit(0);
        });
    });
  }
  return { signal: stopping.signal };
}

main().catch((error: unknown) => {
  if (error instanceof SettingsError) process.stderr.write(`${error.message}\n`);
  else createLogger('audit', 'info').fatal({ err: error }, 'audit cannot start');
  process.exit(1);
});
