import type { Logger } from '@bongsu/observability';
import { done, timedOut, type DeliveryAttempt, type Outcome, type Provider } from '../provider.js';
import type { ChannelSettings } from '../settings.js';

/** How much of a content is shown at level debug, characters. */
const SHOWN = 500;

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
    const { deliveryId, notificationId, tenant, number, content } = attempt;
    // Contents are somebody's mail: they show only to who asked for them.
    const shown = this.#logger.isLevelEnabled('debug')
      ? { subject: content.subject, body: content.body.slice(0, SHOWN) }
      : {};
    this.#logger.info(
      { deliveryId, notificationId, tenant, attempt: number, bodyLength: content.body.length, ...shown },
      'Notification',
    );
    return Promise.resolve(done);
  }
}

export const logProviders = (_settings: ChannelSettings, logger: Logger): Provider[] => [new LogProvider(logger)];
