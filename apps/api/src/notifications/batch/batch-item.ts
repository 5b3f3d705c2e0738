import { BongsuError, NotificationRequest, type ErrorCode } from '@bongsu/contracts';
import { HttpProblem, invalidBody, type CallerIdentity, type Classify, type ProblemItem } from '@bongsu/http';
import { NO_SPAN, tracing, type Span } from '@bongsu/tracing';
import type { AcceptOptions, Acceptance } from '../acceptance.js';

/** What became of one notification of many: its id, or the code that a request of its own would have been refused with. */
export type BatchResult =
  | { readonly id: string; readonly status: 'accepted'; readonly acceptedAt: string; readonly replayed?: true }
  | { readonly code: ErrorCode; readonly detail: string; readonly errors?: readonly ProblemItem[] };

/** Accepts the items of one batch. Each is on its own: what is wrong with one says nothing about the others. */
export class BatchItems {
  private readonly acceptance: Acceptance;
  private readonly caller: CallerIdentity;
  private readonly options: AcceptOptions;
  private readonly classify: Classify;

  /** @param options the batch's; item i has the Idempotency-Key `<key>/<i>`, so that a batch can be sent again as a whole */
  constructor(acceptance: Acceptance, caller: CallerIdentity, options: AcceptOptions, classify: Classify) {
    this.acceptance = acceptance;
    this.caller = caller;
    this.options = options;
    this.classify = classify;
  }

  /** Accepts a value as the item of this index. Called in order, it hands records to Kafka in order. Rejects only unexpectedly. */
  async accept(value: unknown, index: number): Promise<BatchResult> {
    const span = this.span(index);
    try {
      const violations = NotificationRequest.violations(value);
      if (violations.length > 0) throw invalidBody(...violations);
      const { idempotencyKey: key, trace } = this.options;
      const { replayed, ...accepted } = await this.acceptance.accept(value as NotificationRequest, this.caller, {
        trace: span.context ?? trace,
        idempotencyKey: key === undefined ? undefined : `${key}/${index}`,
      });
      span.set({ 'bongsu.notification.id': accepted.id });
      return { ...accepted, status: 'accepted', ...(replayed ? { replayed } : {}) };
    } catch (error) {
      span.fail(error instanceof BongsuError ? error.code : 'unexpected');
      return this.refusal(error);
    } finally {
      span.end();
    }
  }

  /**
   * Whoever traces their batch finds its items in that trace. Else each notification has a trace of its own, linked with the
   * request: one of a million lines could be read by nobody.
   */
  private span(index: number): Span {
    if (!tracing.isOn) return NO_SPAN;
    const { trace, isCallersTrace } = this.options;
    return tracing.start('accept notification', {
      kind: 'internal',
      ...(isCallersTrace === true ? { parent: trace } : trace ? { links: [trace] } : {}),
      attributes: { 'bongsu.batch.index': index },
    });
  }

  /** The result of an item that an error has ended. Rethrows what has no code. */
  refusal(error: unknown): BatchResult {
    const known = error instanceof BongsuError ? error : this.classify(error);
    if (!known) throw error;
    const errors = known instanceof HttpProblem && known.errors.length > 0 ? { errors: known.errors } : {};
    return { code: known.code, detail: known.message, ...errors };
  }
}
