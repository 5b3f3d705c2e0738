import type { Logger } from '@bongsu/observability';
import type { DeliveryAttempt, Outcome } from '../channels/provider.js';
import type { LeasedDelivery } from '../ledger/delivery.js';
import type { FinishedAttempt } from '../settle/decide.js';
import { toAttempt } from './attempt.js';
import { attemptSpan, callSpan, endSpan } from './attempt-spans.js';
import type { Circuits } from './circuits.js';
import { attemptDuration, inFlight } from './metrics.js';
import { MAX_RETRY_AFTER_MS } from './retry-schedule.js';
import type { Gate } from './schedule/gate.js';

export interface CallerOptions {
  readonly circuits: Circuits;
  /** After how long a call is given up, milliseconds. */
  readonly timeoutMs: number;
  /** Ends calls that are under way. */
  readonly shutdown: AbortSignal;
  readonly logger: Logger;
}

/** A provider that may be called for the delivery, through its gate. */
export interface Way {
  readonly gate: Gate;
  /** Takes a place at the gate; false when it has none right now. */
  enter(): boolean;
  leave(): void;
}

/** Calls the providers of one attempt: the first, and the next ones at once as long as they fail temporarily. */
export class Caller {
  readonly #options: CallerOptions;
  readonly #calls = new Set<AbortController>();

  constructor(options: CallerOptions) {
    this.#options = options;
    options.shutdown.addEventListener('abort', () => this.#calls.forEach((call) => call.abort()), { once: true });
  }

  /**
   * Undefined when the process ends before the call did: then nothing is known and nothing is to be written.
   * @param goOn whether the next provider may still be tried
   */
  async attempt(
    delivery: LeasedDelivery,
    ways: readonly Way[],
    goOn: () => boolean,
  ): Promise<FinishedAttempt | undefined> {
    const span = attemptSpan(delivery);
    const attempt = toAttempt(delivery, span.context);
    const failover: { provider: string; code: string }[] = [];
    let finished: FinishedAttempt | undefined;
    for (const way of ways) {
      if (finished && !goOn()) break;
      if (finished && !way.enter()) continue;
      if (finished?.outcome.kind === 'retry') {
        failover.push({ provider: finished.provider, code: finished.outcome.code });
      }
      finished = await this.#timed(way.gate, attempt, failover);
      way.leave();
      if (this.#options.shutdown.aborted && finished.outcome.kind === 'retry') {
        endSpan(span, undefined);
        return undefined;
      }
      if (finished.outcome.kind !== 'retry') break;
    }
    endSpan(span, finished?.outcome);
    return finished && span.context ? { ...finished, trace: span.context } : finished;
  }

  async #timed(
    gate: Gate,
    attempt: DeliveryAttempt,
    failover: readonly { provider: string; code: string }[],
  ): Promise<FinishedAttempt> {
    const { provider } = gate;
    const { channel } = attempt;
    const startedAt = new Date();
    const started = performance.now();
    inFlight.inc({ channel });
    const span = callSpan(attempt.trace, provider.name, gate.destination);
    const outcome = await this.#call(gate, span.context ? { ...attempt, trace: span.context } : attempt);
    endSpan(span, outcome);
    inFlight.dec({ channel });
    const durationMs = Math.round((performance.now() - started) * 1000) / 1000;
    attemptDuration.observe({ channel, provider: provider.name }, durationMs / 1000);
    if (outcome.kind === 'retry' && outcome.code === 'http_429' && outcome.afterMs !== undefined) {
      gate.close(Date.now() + Math.min(outcome.afterMs, MAX_RETRY_AFTER_MS));
    }
    return { provider: provider.name, startedAt, durationMs, outcome, failover: [...failover] };
  }

  async #call({ provider, destination }: Gate, attempt: DeliveryAttempt): Promise<Outcome> {
    const { circuits, timeoutMs, shutdown, logger } = this.#options;
    // Not AbortSignal.timeout: its timer outlives the call, and fires for each that ended long ago.
    const call = new AbortController();
    const timer = setTimeout(() => call.abort(), timeoutMs);
    if (shutdown.aborted) call.abort();
    this.#calls.add(call);
    try {
      return await circuits.call(provider, destination, () => provider.deliver(attempt, call.signal));
    } catch (error) {
      // A provider never throws for what its peer does, so this is a defect of ours: not the recipient's fault, try again.
      const { notificationId, deliveryId } = attempt;
      logger.error({ err: error, provider: provider.name, notificationId, deliveryId }, 'A provider threw');
      return { kind: 'retry', code: 'provider_failed', message: 'The provider failed unexpectedly' };
    } finally {
      clearTimeout(timer);
      this.#calls.delete(call);
    }
  }
}
