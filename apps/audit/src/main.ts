import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { readSettings, SettingsError } from '@bongsu/config';
import { ConsumerGroupMonitor, KafkaBatchStrategy } from '@bongsu/kafka';
import { createLogger, ManagementServer, onFatal, type Logger } from '@bongsu/observability';
import { startTracing, tracing } from '@bongsu/tracing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Database } from './database/database.js';
import { createService, startService, stopService } from './service.js';
import { AUDIT_SETTINGS } from './settings.js';

/** Everything must be over this long after SIGTERM, milliseconds; orchestrators kill after 10 s. */
const SHUTDOWN_MS = 9_000;
/** How long of that the last spans may take to be sent. */
const FLUSH_MS = 1_000;

async function main(): Promise<void> {
  const settings = readSettings(AUDIT_SETTINGS, process.env);
  const logger = createLogger('audit', settings.LOG_LEVEL);
  onFatal(logger);
  await startTracing(settings, 'audit', logger);
  let app: NestFastifyApplication | undefined;
  const management = new ManagementServer({
    port: settings.MANAGEMENT_PORT,
    logger,
    checks: [
      { name: 'kafka', required: true, check: () => started(app).get(KafkaBatchStrategy).checkHealth() },
      { name: 'postgres', required: true, check: () => started(app).get(Database).check() },
    ],
  });
  await management.start();
  const signal = stopOnSignal(() => app, management, logger);
  try {
    app = await createService(settings, logger, signal);
    if (signal.aborted) return;
    await startService(app, settings, logger);
    // Here because this service is on no notification's way: docs/adr/0013-consumer-groups.md.
    new ConsumerGroupMonitor({ settings, clientId: 'bongsu-groups', logger }).start();
    logger.info({ port: settings.PORT }, 'audit is ready');
  } catch (error) {
    if (!signal.aborted) throw error; // what was still waiting for PostgreSQL was told to give up
  }
}

function started(app: NestFastifyApplication | undefined): NestFastifyApplication {
  if (!app) throw new Error('still starting');
  return app;
}

/** SIGTERM and SIGINT: stop in order, then exit 0, at the latest at the deadline. The signal aborts what waits at the start. */
function stopOnSignal(
  app: () => NestFastifyApplication | undefined,
  management: ManagementServer,
  logger: Logger,
): AbortSignal {
  const stopping = new AbortController();
  const stop = async (): Promise<void> => {
    const running = app();
    if (running) await stopService(running);
    await tracing.stop(FLUSH_MS);
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
          if (how === 'late') logger.warn('Not everything had stopped in time; Kafka delivers again what was left');
          process.exit(0);
        });
    });
  }
  return stopping.signal;
}

main().catch((error: unknown) => {
  if (error instanceof SettingsError) process.stderr.write(`${error.message}\n`);
  else createLogger('audit', 'info').fatal({ err: error }, 'audit cannot start');
  process.exit(1);
});
