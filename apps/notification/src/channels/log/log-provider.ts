import type { Logger } from '@bongsu/observability';
import type { DeliveryAttempt, Outcome, Provider } from '../provider.js';

const DONE: Outcome = { kind: 'done' };

/** Writes a line instead of sending anything: for trying things, and for measuring the rest of the system. */
export class LogProvider implements Provider {
  readonly name = 'log';
  readonly channel = 'log';
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  deliver(attempt: DeliveryAttempt): Promise<Outcome> {
    // Neither subject nor body: what people are told does not belong in a log.
    this.#logger.info(
      { notification: attempt.notificationId, delivery: attempt.deliveryId, attempt: attempt.number },
      'Notification delivered to the log',
    );
    return Promise.resolve(DONE);
  }
}
