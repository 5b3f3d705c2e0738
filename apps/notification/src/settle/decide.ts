import type { Attempt, DeliveryStatus, TraceContext } from '@bongsu/contracts';
import { hasEnded } from '@bongsu/contracts';
import type { Outcome } from '../channels/provider.js';
import { retryDelay } from '../dispatch/retry-schedule.js';
import type { LeasedDelivery } from '../ledger/delivery.js';

/** An attempt that is over. */
export interface FinishedAttempt {
  readonly provider: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly outcome: Outcome;
  /** Providers that were preferred and failed temporarily just before. */
  readonly failover?: readonly { readonly provider: string; readonly code: string }[];
  /** Its span, when there is one. */
  readonly trace?: TraceContext | undefined;
}

/** What becomes of a delivery next. */
export interface Decision {
  readonly status: DeliveryStatus;
  readonly ended: boolean;
  readonly attempts: number;
  readonly nextAttemptAt: Date | null;
  readonly attempt?: Attempt;
  readonly reason?: string;
  /** Nothing was tried, so there is nothing to tell: it is only due later. */
  readonly postponed?: boolean;
  /** It was put off because every provider's circuit is open, which may be done once. */
  readonly byCircuit?: boolean;
  /** What is told of it belongs below this span, when there is one. */
  readonly trace?: TraceContext | undefined;
}

export interface DecisionContext {
  readonly now: Date;
  /** In [0, 1). */
  readonly random: number;
  /** The gaps between attempts, milliseconds. */
  readonly schedule: readonly number[];
  /** Somebody asked for its cancellation. */
  readonly cancelled: boolean;
}

/** The one place that decides what an outcome means. */
export function decide(delivery: LeasedDelivery, finished: FinishedAttempt, context: DecisionContext): Decision {
  const { outcome } = finished;
  const attempts = delivery.attempts + 1;
  const attempt = describe(finished, attempts);
  const end = (status: DeliveryStatus, reason?: string): Decision => ({
    status,
    ended: hasEnded(status),
    attempts,
    nextAttemptAt: null,
    attempt,
    ...(reason === undefined ? {} : { reason }),
  });
  if (outcome.kind === 'done') return end('delivered');
  if (outcome.kind === 'reject') return end('rejected', outcome.code);
  if (context.cancelled) return end('cancelled', 'cancelled while an attempt was under way, which failed');
  const delay = retryDelay(context.schedule, attempts - delivery.scheduleFrom, context.random, outcome.afterMs);
  if (delay === undefined) return end('dead', 'the retry schedule is used up');
  const nextAttemptAt = new Date(context.now.getTime() + delay);
  const { expiresAt } = delivery.request;
  if (expiresAt !== undefined && nextAttemptAt.getTime() >= Date.parse(expiresAt)) {
    return end('expired', 'the next attempt would come after expiresAt');
  }
  return { status: 'retrying', ended: false, attempts, nextAttemptAt, attempt };
}

/** Ends a delivery before its attempt, if it must not start any more. */
export function endBeforeAttempt(delivery: LeasedDelivery, now: Date, cancelled: boolean): Decision | undefined {
  if (cancelled) return endCancelled(delivery);
  const { expiresAt } = delivery.request;
  const isLate = expiresAt !== undefined && now.getTime() >= Date.parse(expiresAt);
  return isLate ? endUncalled(delivery, 'expired', 'expiresAt has passed') : undefined;
}

/** Ends a delivery that was cancelled while no attempt was under way. */
export const endCancelled = (delivery: LeasedDelivery): Decision =>
  endUncalled(
    delivery,
    'cancelled',
    delivery.attempts === 0 ? 'cancelled before it started' : 'cancelled before its next attempt',
  );

/** Rejects a delivery to an endpoint that has said that it is gone, without another call. */
export const endDisabled = (delivery: LeasedDelivery): Decision =>
  endUncalled(delivery, 'rejected', 'endpoint_disabled');

function endUncalled({ attempts }: LeasedDelivery, status: DeliveryStatus, reason: string): Decision {
  return { status, ended: true, attempts, nextAttemptAt: null, reason };
}

/** Up to this much later than the provider may be called, so that not all of them try at once. Milliseconds. */
const POSTPONE_SPREAD_MS = 2_000;

/** Its provider cannot be called before `until`: due again then, or when it expires. Counts as no attempt. */
export function postpone(delivery: LeasedDelivery, until: number, random: number, byCircuit: boolean): Decision {
  const { expiresAt } = delivery.request;
  const due = until + Math.round(POSTPONE_SPREAD_MS * random);
  return {
    status: delivery.attempts > 0 ? 'retrying' : 'pending',
    ended: false,
    attempts: delivery.attempts,
    nextAttemptAt: new Date(Math.min(due, expiresAt === undefined ? Infinity : Date.parse(expiresAt))),
    postponed: true,
    byCircuit: byCircuit || delivery.postponed,
  };
}

function describe({ provider, startedAt, durationMs, outcome, failover }: FinishedAttempt, number: number): Attempt {
  const base = {
    number,
    provider,
    startedAt: startedAt.toISOString(),
    durationMs,
    outcome: outcome.kind,
    ...(failover && failover.length > 0 ? { failover: [...failover] } : {}),
  };
  if (outcome.kind === 'done') return base;
  return { ...base, error: { code: storable(outcome.code, 64), message: storable(outcome.message, 1000) } };
}

/** A provider's words may hold anything; NUL and lone surrogates cannot be stored, and one such word must not stop a batch. */
const storable = (text: string, length: number): string => text.replaceAll('\0', '').slice(0, length).toWellFormed();
