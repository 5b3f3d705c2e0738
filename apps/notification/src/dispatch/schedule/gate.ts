import type { Priority } from '@bongsu/contracts';
import type { Provider } from '../../channels/provider.js';
import { aside, hasAny, type Aside } from './flow.js';

/** What one destination of a provider bears. */
export interface GateLimits {
  /** Calls at the same time. */
  readonly concurrency?: number;
  /** Calls per second, on average; as many at once after a pause, and at least one. */
  readonly ratePerSecond?: number;
}

/**
 * How many of `limit` a lane may take: something is left to the more urgent ones, so that they find room although a flood
 * came first. Normal leaves 2 %; bulk 5 % and at least one, where there are four to divide.
 */
export function ceilingOf(limit: number, priority: Priority): number {
  if (limit === Infinity || priority === 'urgent') return limit;
  if (priority === 'normal') return limit - Math.floor(limit * 0.02);
  return limit < 4 ? limit : limit - Math.ceil(limit * 0.05);
}

/**
 * One destination of a provider, as the scheduler sees it: how many calls may be under way, how many may start per
 * second, and until when it asked to be left alone. The rate is kept by GCRA (ITU-T I.371), a token bucket without a timer:
 * `#fullAt` is when the bucket would be full again.
 */
export class Gate {
  readonly provider: Provider;
  readonly destination: string;
  running = 0;
  /** Flows that wait for this gate. */
  readonly blocked: Aside = aside();
  readonly #concurrency: number;
  readonly #intervalMs: number;
  readonly #burstMs: number;
  #fullAt = 0;
  #closedUntil = 0;

  constructor(provider: Provider, destination: string, { concurrency = Infinity, ratePerSecond }: GateLimits = {}) {
    this.provider = provider;
    this.destination = destination;
    this.#concurrency = concurrency;
    this.#intervalMs = ratePerSecond === undefined ? 0 : 1000 / ratePerSecond;
    this.#burstMs = Math.max(1000 - this.#intervalMs, 0);
  }

  /** Whether one call more of the lane may be under way. */
  hasRoom(priority: Priority): boolean {
    return this.running < ceilingOf(this.#concurrency, priority);
  }

  /** When the next call may start as far as rate and Retry-After go, milliseconds since 1970; in the past when at once. */
  get opensAt(): number {
    return Math.max(this.#closedUntil, this.#intervalMs === 0 ? 0 : this.#fullAt - this.#burstMs);
  }

  /** The other side asked for a pause (429 with Retry-After). */
  close(until: number): void {
    this.#closedUntil = Math.max(this.#closedUntil, until);
  }

  start(now: number): void {
    this.running++;
    if (this.#intervalMs > 0) this.#fullAt = Math.max(now, this.#fullAt) + this.#intervalMs;
  }

  finish(): void {
    this.running--;
  }

  get isIdle(): boolean {
    return this.running === 0 && !hasAny(this.blocked);
  }
}
