import type { Logger } from '@bongsu/observability';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Provider } from '../channels/provider.js';
import type { DisabledEndpoints } from '../endpoints/disabled-endpoints.js';
import type { LeasedDelivery } from '../ledger/delivery.js';
import {
  decide,
  endBeforeAttempt,
  endDisabled,
  postpone,
  type Decision,
  type FinishedAttempt,
} from '../settle/decide.js';
import { deliveryFields, failedHere, noProvider } from './attempt.js';
import { Caller, type Way } from './caller.js';
import type { Circuits } from './circuits.js';
import { RecentIds } from './recent-ids.js';
import { Routes } from './routes.js';
import { flowId } from './schedule/flow.js';
import type { Gate } from './schedule/gate.js';
import type { Gates } from './schedule/gates.js';
import { Scheduler, type Started } from './schedule/scheduler.js';
import { MemoryShares } from './schedule/shares.js';

export interface DispatcherOptions {
  /** The providers of a channel, in order of preference. */
  readonly providers: (channel: string) => readonly Provider[];
  readonly circuits: Circuits;
  readonly gates: Gates;
  /** What may not be called any more. */
  readonly endpoints: Pick<DisabledEndpoints, 'isDisabled' | 'disable'>;
  /** Provider calls that are under way or not yet recorded, at most: as many may be repeated after a kill. */
  readonly concurrency: number;
  /** Deliveries in memory, at most. */
  readonly capacity: number;
  /** Outcomes that are not in the ledger yet. */
  readonly unsettled: () => number;
  /** After how long a call is given up, milliseconds. */
  readonly providerTimeoutMs: number;
  /** The gaps between attempts, milliseconds. */
  readonly scheduleOf: (provider: string, channel: string) => readonly number[];
  /** False while this worker's lease is not certain: then nothing may start. */
  readonly mayStart: () => boolean;
  readonly onDecided: (delivery: LeasedDelivery, decision: Decision) => void;
  readonly logger: Logger;
  readonly random?: () => number;
}

/** How soon to look again when the lease was not certain, milliseconds. */
const RECHECK_MS = 200;
/** How often deliveries are looked for that have become too late while they wait, milliseconds. */
const EXPIRY_MS = 1_000;

/**
 * Runs leased deliveries from memory: calls providers with bounded concurrency, in the scheduler's order, and hands on what
 * was decided. It knows nothing of Kafka or the database.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #routes: Routes;
  readonly #scheduler: Scheduler;
  readonly #shares: MemoryShares;
  readonly #caller: Caller;
  readonly #cancelled = new RecentIds(100_000);
  /**
   * Deliveries whose slot is in use: started, and not yet recorded. By object, as one may be claimed and started again before its
   * first outcome is recorded here, when nobody heard that it was committed: both have a slot.
   */
  readonly #inUse = new Set<LeasedDelivery>();
  readonly #random: () => number;
  readonly #shutdown = new AbortController();
  readonly #expiry: NodeJS.Timeout;
  #stopping = false;
  #pumping = false;
  #wakeAt = Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#routes = new Routes(options.providers, options.gates, options.circuits);
    this.#scheduler = new Scheduler({
      concurrency: options.concurrency,
      now: Date.now,
      destinationOf: (delivery) => this.#routes.destinationOf(delivery),
      gateOf: (flow) => this.#routes.gateOf(flow),
    });
    this.#shares = new MemoryShares(options.capacity, options.unsettled);
    this.#caller = new Caller({
      circuits: options.circuits,
      timeoutMs: options.providerTimeoutMs,
      shutdown: this.#shutdown.signal,
      logger: options.logger,
    });
    this.#random = options.random ?? Math.random;
    this.#expiry = setInterval(() => this.#endLate(), EXPIRY_MS);
    this.#expiry.unref();
  }

  /** Deliveries in memory: waiting and running. */
  get size(): number {
    return this.#scheduler.waiting + this.#scheduler.running;
  }

  /** What of all slots bulk may have at present, at most: 1 when it gives way to nobody. */
  get bulkShare(): number {
    return this.#scheduler.bulkShare;
  }

  /** Whether urgent deliveries have come lately, and bulk has less than half of the slots. */
  get isYielding(): boolean {
    return this.bulkShare < 0.5;
  }

  get shares(): MemoryShares {
    return this.#shares;
  }

  /** The flow that a delivery belongs to, as the ledger keeps it. */
  flowOf(delivery: LeasedDelivery): string {
    const { priority, channel, request } = delivery;
    return flowId({ priority, channel, tenant: request.tenant, destination: this.#routes.destinationOf(delivery) });
  }

  /** @param isReserved whether `shares` has a place for it already */
  add(deliveries: readonly LeasedDelivery[], isReserved: (delivery: LeasedDelivery) => boolean = () => false): void {
    for (const delivery of deliveries) {
      if (!isReserved(delivery)) this.#shares.take(this.flowOf(delivery));
      this.#scheduler.add(delivery);
    }
    this.#pump();
  }

  /** From now on nothing of these notifications starts; what is under way ends as cancelled unless it succeeds. */
  cancel(notificationIds: readonly string[]): void {
    const ids = new Set(notificationIds);
    for (const id of ids) this.#cancelled.add(id);
    this.#endWaiting((delivery) => ids.has(delivery.notificationId));
  }

  /** Takes out what has not started, of a shard that another worker owns now. */
  remove(shard: number): LeasedDelivery[] {
    return this.#takeOut((delivery) => delivery.shard === shard);
  }

  /** Stops starting; resolves with what never started once all calls are over, or at the deadline with the calls aborted. */
  async stop(deadlineMs: number): Promise<LeasedDelivery[]> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    clearInterval(this.#expiry);
    const waiting = this.#takeOut(() => true);
    const until = performance.now() + deadlineMs;
    while (this.#scheduler.running > 0 && performance.now() < until) await sleep(10);
    this.#shutdown.abort();
    const grace = performance.now() + 500;
    while (this.#scheduler.running > 0 && performance.now() < grace) await sleep(10);
    return waiting;
  }

  /** Outcomes were recorded, or given up: their slots are free. */
  settled(deliveries: readonly LeasedDelivery[]): void {
    this.#scheduler.release(deliveries.filter((each) => this.#inUse.delete(each)));
    this.#pump();
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (!this.#stopping && this.#scheduler.waiting > 0) {
      if (!this.#options.mayStart()) {
        this.#pumpAt(Date.now() + RECHECK_MS);
        break;
      }
      const started = this.#scheduler.take();
      if (!started) break;
      this.#inUse.add(started.delivery);
      void this.#run(started);
    }
    for (const { delivery, until } of this.#scheduler.takeDeferred())
      this.#decided(delivery, postpone(delivery, until, this.#random(), false));
    if (this.#scheduler.waiting > 0) this.#pumpAt(this.#scheduler.opensNext);
    this.#pumping = false;
  }

  /** At the given time, if not before. */
  #pumpAt(at: number): void {
    if (this.#stopping || at >= this.#wakeAt) return;
    clearTimeout(this.#timer);
    this.#wakeAt = at;
    const wake = (): void => {
      this.#wakeAt = Infinity;
      this.#scheduler.wake();
      this.#pump();
    };
    this.#timer = setTimeout(wake, Math.min(Math.max(at - Date.now(), 1), EXPIRY_MS));
  }

  async #run({ delivery, gate }: Started): Promise<void> {
    let decision: Decision | undefined;
    try {
      decision =
        endBeforeAttempt(delivery, new Date(), this.#isCancelled(delivery)) ??
        (this.#isDisabled(delivery) ? endDisabled(delivery) : await this.#attempt(delivery, gate));
    } catch (error) {
      this.#options.logger.error({ err: error, ...deliveryFields(delivery) }, 'A delivery could not be attempted');
      decision = this.#decide(delivery, failedHere(new Date()));
    }
    this.#scheduler.finish(delivery);
    if (decision) this.#decided(delivery, decision);
    this.#pump();
  }

  /** Undefined when the process ends before the call did: then nothing is known and nothing is written. */
  async #attempt(delivery: LeasedDelivery, gate: Gate | undefined): Promise<Decision | undefined> {
    if (!gate) return this.#decide(delivery, noProvider(delivery.channel, new Date()));
    const { circuits } = this.#options;
    const destination = this.#routes.destinationOf(delivery);
    const providers = this.#options.providers(delivery.channel);
    const isOpen = (provider: Provider): boolean => circuits.availableAt(provider, destination) !== 0;
    // A first attempt is not put off, as later ones of its key would then start before it. And once is enough: an open
    // circuit may delay an attempt, never deny it.
    if (delivery.attempts > 0 && !delivery.postponed && providers.every(isOpen)) {
      const soonest = Math.min(...providers.map((provider) => circuits.availableAt(provider, destination)));
      return postpone(delivery, Math.max(soonest, Date.now()), this.#random(), true);
    }
    const others = providers.filter((provider) => provider !== gate.provider && !isOpen(provider));
    const ways = [ownWay(gate), ...others.map((provider) => this.#otherWay(delivery, provider, destination))];
    const finished = await this.#caller.attempt(delivery, ways, () => !this.#isCancelled(delivery));
    if (finished) this.#noteGone(delivery, finished);
    return finished && this.#decide(delivery, finished);
  }

  #isDisabled({ channel, request: { tenant, recipient } }: LeasedDelivery): boolean {
    const endpoint = this.#options.providers(channel)[0]?.endpoint?.(recipient);
    return this.#options.endpoints.isDisabled(tenant, channel, endpoint);
  }

  #noteGone(
    { id: deliveryId, channel, request }: LeasedDelivery,
    { outcome, startedAt: calledAt }: FinishedAttempt,
  ): void {
    if (outcome.kind !== 'reject' || outcome.endpointGone === undefined) return;
    const { tenant } = request;
    this.#options.endpoints.disable({ tenant, channel, endpoint: outcome.endpointGone, deliveryId, calledAt });
  }

  #otherWay(delivery: LeasedDelivery, provider: Provider, destination: string): Way {
    const gate = this.#options.gates.of(provider, destination, delivery.request.tenant);
    return {
      gate,
      enter: () => this.#scheduler.borrow(gate, delivery.priority),
      leave: () => this.#scheduler.handBack(gate),
    };
  }

  #decide(delivery: LeasedDelivery, finished: FinishedAttempt): Decision {
    const decision = decide(delivery, finished, {
      now: new Date(),
      random: this.#random(),
      schedule: this.#options.scheduleOf(finished.provider, delivery.channel),
      cancelled: this.#isCancelled(delivery),
    });
    return finished.trace === undefined ? decision : { ...decision, trace: finished.trace };
  }

  #decided(delivery: LeasedDelivery, decision: Decision): void {
    this.#shares.give(this.flowOf(delivery));
    this.#options.onDecided(delivery, decision);
  }

  #takeOut(matches: (delivery: LeasedDelivery) => boolean): LeasedDelivery[] {
    const taken = this.#scheduler.removeIf(matches);
    for (const delivery of taken) this.#shares.give(this.flowOf(delivery));
    return taken;
  }

  /** Ends what waits in memory and will not be attempted: its turn may be far away. */
  #endWaiting(matches: (delivery: LeasedDelivery) => boolean): void {
    for (const delivery of this.#takeOut(matches)) {
      const decision = endBeforeAttempt(delivery, new Date(), this.#isCancelled(delivery));
      if (decision) this.#options.onDecided(delivery, decision);
    }
  }

  #endLate(): void {
    const now = Date.now();
    this.#endWaiting(({ request: { expiresAt } }) => expiresAt !== undefined && Date.parse(expiresAt) <= now);
  }

  #isCancelled(delivery: LeasedDelivery): boolean {
    return delivery.cancelled || this.#cancelled.has(delivery.notificationId);
  }
}

/** The scheduler has taken the place at this gate, and gives it back when the delivery has finished. */
const ownWay = (gate: Gate): Way => ({ gate, enter: () => true, leave: () => {} });
