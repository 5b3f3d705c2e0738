import type { Channel, NotificationRequested, TraceContext } from '@bongsu/contracts';

/** What became of one call of a provider: a value, because only the dispatcher decides what it means. */
export type Outcome =
  | { readonly kind: 'done' }
  /** Temporary. `afterMs`: when the provider said so (Retry-After), at most 24 h. */
  | { readonly kind: 'retry'; readonly code: string; readonly message: string; readonly afterMs?: number }
  /** Permanent: trying again would not help. `endpointGone`: nor would it for any other delivery to that endpoint, ever. */
  | { readonly kind: 'reject'; readonly code: string; readonly message: string; readonly endpointGone?: string };

/** All that a provider gets to know of a delivery. */
export interface DeliveryAttempt {
  /** The same in every attempt: what a receiver may dedupe by. */
  readonly deliveryId: string;
  readonly notificationId: string;
  readonly tenant: string;
  /** 1 for the first attempt. */
  readonly number: number;
  readonly channel: Channel;
  readonly recipient: NotificationRequested['recipient'];
  readonly content: NonNullable<NotificationRequested['content']>;
  readonly acceptedAt: string;
  readonly category?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly locale?: string;
  readonly data?: NotificationRequested['data'];
  /** The trace that the call belongs to: for receivers who trace, too. */
  readonly trace?: TraceContext | undefined;
}

/** Something that brings notifications of one channel to their recipients. */
export interface Provider {
  /** The `provider` label of metrics and timelines: at most 128 characters, the same after a restart, no secret in it. */
  readonly name: string;
  readonly channel: Channel;
  /** How many calls at once are of use; more of them only wait inside the provider while their time runs. */
  readonly concurrency?: number;
  /**
   * Makes one call. Never rejects for what the other side does, and resolves soon after the signal aborts, with
   * `retry` and code `timeout`. Holds no retry logic of its own.
   */
  deliver(attempt: DeliveryAttempt, signal: AbortSignal): Promise<Outcome>;
  /**
   * Where a call would go (a host), when one provider talks to many: one receiver that is down must not stop the
   * others. Left out when there is only one place.
   */
  destination?(recipient: DeliveryAttempt['recipient']): string;
  /**
   * Which one of a tenant's endpoints a call would go to, where an endpoint can be gone for good: it is not called again
   * once it has said so (`endpointGone`, spelt in the same way). Undefined for a recipient without one.
   */
  endpoint?(recipient: DeliveryAttempt['recipient']): string | undefined;
  /** Gives back connections; no call is under way. */
  close?(): Promise<void>;
}

/** The providers of each channel, in order of preference. */
export interface ProviderRegistry {
  of(channel: string): readonly Provider[];
  close(): Promise<void>;
}

export const done: Outcome = { kind: 'done' };
export const retry = (code: string, message: string, afterMs?: number): Outcome =>
  afterMs === undefined ? { kind: 'retry', code, message } : { kind: 'retry', code, message, afterMs };
export const reject = (code: string, message: string): Outcome => ({ kind: 'reject', code, message });
/** The call took longer than it may, or the process stops. */
export const timedOut = retry('timeout', 'No answer within the time that a call may take');
