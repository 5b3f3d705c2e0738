import type { Logger } from '@bongsu/observability';
import { deliveryFields } from '../dispatch/attempt.js';
import type { LeasedDelivery } from '../ledger/delivery.js';
import type { Decision } from './decide.js';

/**
 * One line per outcome: at info for a delivery that has ended and did not arrive, which is once each; the rest at debug, or an
 * outage of a provider would fill the log. The code and never the words: those are the provider's, and may quote anything.
 */
export function logOutcome(logger: Logger, delivery: LeasedDelivery, decision: Decision): void {
  const { status, ended, attempt, postponed } = decision;
  if (postponed) return;
  const level = ended && (status === 'dead' || status === 'rejected') ? 'info' : 'debug';
  if (!logger.isLevelEnabled(level)) return;
  logger[level](
    {
      ...deliveryFields(delivery, decision.trace),
      status,
      attempts: decision.attempts,
      ...(attempt === undefined
        ? {}
        : { provider: attempt.provider, outcome: attempt.outcome, ms: attempt.durationMs }),
      ...(attempt?.error === undefined ? {} : { code: attempt.error.code }),
    },
    'delivery',
  );
}
