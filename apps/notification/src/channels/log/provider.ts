import type { Logger } from '@bongsu/observability';
import { traceFields } from '@bongsu/tracing';
import { done, timedOut, type DeliveryAttempt, type Outcome, type Provider } from '../provider.js';
import type { ChannelSettings } from '../settings.js';

/** Writes one line per notification to the service's own log: for trying things out, and for measuring all that comes before. */
export class LogProvider implements Provider {
  readonly name = 'log';
  readonly channel = 'log';
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  deliver(attempt: DeliveryAttempt, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return Promise.resolve(timedOut);
    const { deliveryId, notificationId, tenant, number, content, trace } = attempt;
    // Never the content, at no level: it is somebody's mail, and logs are read, shipped and kept by others.
    this.#logger.info(
      { deliveryId, notificationId, tenant, attempt: number, bodyLength: content.body.length, ...traceFields(trace) },
      'Notification',
    );
    return Promise.resolve(done);
  }
}

export const logProviders = (_settings: ChannelSettings, logger: Logger): Provider[] => [new LogProvider(logger)];
