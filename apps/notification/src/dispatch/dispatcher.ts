import type { Logger } from '@bongsu/observability';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeliveryAttempt, Outcome, Provider } from '../channels/provider.js';
import type { LeasedDelivery } from '../ledger/delivery.js';
import { decide, endBeforeAttempt, postpone, type Decision, type FinishedAttempt } from '../settle/decide.js';
import { Circuits } from './circuits.js';
import { RecentIds } from './recent-ids.js';
import { attemptDuration, inFlight } from './metrics.js';
import { DeliveryQueue } from './queue.js';

export interface DispatcherOptions {
  /** The providers of a channel, in order of preference. */
  readonly providers: (channel: string) => readonly Provider[];
  readonly circuits: Circuits;
  /** Provider calls that are under way or not yet recorded, at most: as many may be repeated after a kill. */
  readonly concurrency: number;
  /** Outcomes that are not in the ledger yet. */
  readonly unsettled: () => number;
  /** After how long a call is given up, milliseconds. */
  readonly providerTimeoutMs: number;
  readonly retrySchedule: readonly number[];
  /** False while this worker's lease is not certain: then nothing may start. */
  readonly mayStart: () => boolean;
  readonly onDecided: (delivery: LeasedDelivery, decision: Decision) => void;
  readonly logger: Logger;
  readonly random?: () => number;
}

/** How soon to look again when the lease was not certain, milliseconds. */
const RECHECK_MS = 200;

/**
 * Runs leased deliveries from memory: calls providers with bounded concurrency, in the queue's order, and hands on what was
 * decided. It knows nothing of Kafka or the database.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #queue: DeliveryQueue;
  readonly #cancelled = new RecentIds(100_000);
  readonly #random: () => number;
  readonly #shutdown = new AbortController();
  #stopping = false;
  #pumping = false;
  #recheck: NodeJS.Timeout | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    // More mails than a server takes connections would only wait in its pool, while their time runs.
    this.#queue = new DeliveryQueue((channel) => options.providers(channel)[0]?.concurrency ?? Infinity);
    this.#random = options.random ?? Math.random;
  }

  /** Deliveries in memory: waiting and running. */
  get size(): number {
    return this.#queue.waiting + this.#queue.running;
  }

  add(deliveries: readonly LeasedDelivery[]): void {
    for (const delivery of deliveries) this.#queue.add(delivery);
    this.#pump();
  }

  /** From now on nothing of these notifications starts; what is under way ends as cancelled unless it succeeds. */
  cancel(notificationIds: readonly string[]): void {
    for (const id of notificationIds) this.#cancelled.add(id);
  }

  /** Takes out what has not started, of a shard that another worker owns now. */
  remove(shard: number): LeasedDelivery[] {
    return this.#queue.remove(shard);
  }

  /** Stops starting; resolves with what never started once all calls are over, or at the deadline with the calls aborted. */
  async stop(deadlineMs: number): Promise<LeasedDelivery[]> {
    this.#stopping = true;
    clearTimeout(this.#recheck);
    const waiting = this.#queue.remove();
    const until = performance.now() + deadlineMs;
    while (this.#queue.running > 0 && performance.now() < until) await sleep(10);
    this.#shutdown.abort();
    const grace = performance.now() + 500;
    while (this.#queue.running > 0 && performance.now() < grace) await sleep(10);
    return waiting;
  }

  /** Outcomes were recorded: their slots are free. */
  settled(): void {
    this.#pump();
  }

  #hasSlot(): boolean {
    return this.#queue.running + this.#options.unsettled() < this.#options.concurrency;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (!this.#stopping && this.#queue.waiting > 0 && this.#hasSlot()) {
      if (!this.#options.mayStart()) {
        this.#recheck ??= setTimeout(() => {
          this.#recheck = undefined;
          this.#pump();
        }, RECHECK_MS);
        break;
      }
      const delivery = this.#queue.take();
      if (!delivery) break;
      void this.#run(delivery);
    }
    this.#pumping = false;
  }

  async #run(delivery: LeasedDelivery): Promise<void> {
    let decision: Decision | undefined;
    try {
      decision = endBeforeAttempt(delivery, new Date(), this.#isCancelled(delivery)) ?? (await this.#attempt(delivery));
    } catch (error) {
      this.#options.logger.error({ err: error, delivery: delivery.id }, 'A delivery could not be attempted');
      decision = this.#decide(delivery, { ...failedHere, startedAt: new Date() });
    }
    this.#queue.finish(delivery);
    if (decision) this.#options.onDecided(delivery, decision);
    this.#pump();
  }

  /** Undefined when the process ends before the call did: then nothing is known and nothing is written. */
  async #attempt(delivery: LeasedDelivery): Promise<Decision | undefined> {
    const attempt = toAttempt(delivery);
    const providers = this.#options.providers(delivery.channel);
    const [preferred] = providers;
    if (!preferred) return this.#decide(delivery, noProvider(delivery.channel));
    const open = providers.filter((provider) => this.#options.circuits.availableAt(provider, attempt) === 0);
    // A first attempt is not put off, as later ones of its key would then start before it. And once is enough: an open
    // circuit may delay an attempt, never deny it.
    const mayWait = delivery.attempts > 0 && !delivery.postponed;
    if (open.length === 0 && mayWait) return this.#postpone(delivery, attempt, providers);
    return this.#callInTurn(delivery, attempt, open.length > 0 ? open : [preferred]);
  }

  /** Calls the preferred provider, and the next ones at once if it fails temporarily. */
  async #callInTurn(
    delivery: LeasedDelivery,
    attempt: DeliveryAttempt,
    providers: readonly Provider[],
  ): Promise<Decision | undefined> {
    const failover: { provider: string; code: string }[] = [];
    for (const [index, provider] of providers.entries()) {
      const startedAt = new Date();
      const started = performance.now();
      inFlight.inc({ channel: delivery.channel });
      const outcome = await this.#call(provider, attempt);
      inFlight.dec({ channel: delivery.channel });
      const durationMs = Math.round((performance.now() - started) * 1000) / 1000;
      if (this.#shutdown.signal.aborted && outcome.kind === 'retry') return undefined;
      attemptDuration.observe({ channel: delivery.channel, provider: provider.name }, durationMs / 1000);
      if (outcome.kind === 'retry' && index < providers.length - 1 && !this.#isCancelled(delivery)) {
        failover.push({ provider: provider.name, code: outcome.code });
        continue;
      }
      return this.#decide(delivery, { provider: provider.name, startedAt, durationMs, outcome, failover });
    }
    return undefined;
  }

  #postpone(delivery: LeasedDelivery, attempt: DeliveryAttempt, providers: readonly Provider[]): Decision {
    const soonest = Math.min(...providers.map((provider) => this.#options.circuits.availableAt(provider, attempt)));
    return postpone(delivery, Math.max(soonest, Date.now()), this.#random());
  }

  async #call(provider: Provider, attempt: DeliveryAttempt): Promise<Outcome> {
    const timeout = AbortSignal.timeout(this.#options.providerTimeoutMs);
    const signal = AbortSignal.any([timeout, this.#shutdown.signal]);
    try {
      return await this.#options.circuits.call(provider, attempt, () => provider.deliver(attempt, signal));
    } catch (error) {
      // A provider never throws for what its peer does, so this is a defect of ours: not the recipient's fault, try again.
      this.#options.logger.error({ err: error, provider: provider.name }, 'A provider threw');
      return { kind: 'retry', code: 'provider_failed', message: 'The provider failed unexpectedly' };
    }
  }

  #decide(delivery: LeasedDelivery, finished: FinishedAttempt): Decision {
    return decide(delivery, finished, {
      now: new Date(),
      random: this.#random(),
      schedule: this.#options.retrySchedule,
      cancelled: this.#isCancelled(delivery),
    });
  }

  #isCancelled(delivery: LeasedDelivery): boolean {
    return delivery.cancelled || this.#cancelled.has(delivery.notificationId);
  }
}

const failedHere: Omit<FinishedAttempt, 'startedAt'> = {
  provider: 'none',
  durationMs: 0,
  outcome: { kind: 'retry', code: 'dispatch_failed', message: 'The attempt could not be made' },
};

const noProvider = (channel: string): FinishedAttempt => ({
  provider: 'none',
  startedAt: new Date(),
  durationMs: 0,
  outcome: { kind: 'reject', code: 'no_provider', message: `No provider is set up for channel ${channel}` },
});

function toAttempt(delivery: LeasedDelivery): DeliveryAttempt {
  const { request } = delivery;
  return {
    deliveryId: delivery.id,
    notificationId: delivery.notificationId,
    tenant: request.tenant,
    number: delivery.attempts + 1,
    channel: delivery.channel,
    recipient: request.recipient,
    content: request.content ?? { body: '' },
    acceptedAt: request.acceptedAt,
    ...(request.category === undefined ? {} : { category: request.category }),
    ...(request.metadata === undefined ? {} : { metadata: request.metadata }),
    ...(request.locale === undefined ? {} : { locale: request.locale }),
    ...(request.data === undefined ? {} : { data: request.data }),
  };
}
