import { setTimeout as sleep } from 'node:timers/promises';
import { CHANNELS, PRIORITIES, hasEnded, type CancelRequested, type Priority } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { OutboxRelay, type RelayTarget } from '@bongsu/persistence';
import type { ProviderRegistry } from './channels/provider.js';
import type { DataSource } from './database/data-source.js';
import { Admission, piecesOf, restAfter, roomInMemory, type Places } from './dispatch/admission.js';
import { Backlog } from './dispatch/backlog.js';
import { Circuits } from './dispatch/circuits.js';
import { Claimer } from './dispatch/claimer.js';
import { Dispatcher } from './dispatch/dispatcher.js';
import { limitsOf, type ProviderLimits } from './dispatch/limits.js';
import { deliveriesTotal, endToEnd } from './dispatch/metrics.js';
import { scheduleOf, type RetrySchedules } from './dispatch/retry-schedule.js';
import { Gates } from './dispatch/schedule/gates.js';
import type { DisabledEndpoints } from './endpoints/disabled-endpoints.js';
import type { LeasedDelivery } from './ledger/delivery.js';
import { startOwned } from './dispatch/start-owned.js';
import type { AcceptedRequest } from './ledger/accepted.js';
import { Ledger, type Settlement } from './ledger/ledger.js';
import { Shards } from './ledger/shards.js';
import { Worker, reapDeadWorkers } from './ledger/workers.js';
import { cancelledFact, factRecord } from './settle/facts.js';
import { logOutcome } from './settle/outcome-log.js';
import { Settler } from './settle/settler.js';
import type { Decision } from './settle/decide.js';

export interface EngineOptions {
  readonly dataSource: DataSource;
  readonly worker: Worker;
  readonly providers: ProviderRegistry;
  readonly endpoints: DisabledEndpoints;
  readonly producer: RelayTarget;
  readonly logger: Logger;
  readonly concurrency: number;
  readonly providerTimeoutMs: number;
  readonly retrySchedule: readonly number[];
  readonly retrySchedules: RetrySchedules;
  readonly providerLimits: ProviderLimits;
  readonly leaseMs: number;
  readonly capacity: number;
  /** Deliveries that wait in the ledger because memory is full, at most; then intake of their lane pauses. */
  readonly readAhead: number;
  readonly pollMs: number;
  /** Another process has taken this one for dead. */
  readonly onLeaseLost: () => void;
}

/**
 * The delivery engine: ledger, dispatcher, settler and relay put together. It is driven by intake (what Kafka brings) and by
 * the claimer (what the ledger holds).
 */
export class Engine {
  readonly shards: Shards;
  readonly #options: EngineOptions;
  readonly #ledger: Ledger;
  readonly #circuits: Circuits;
  readonly #dispatcher: Dispatcher;
  readonly #settler: Settler;
  readonly #backlog = new Backlog();
  readonly #claimer: Claimer;
  readonly #relay: OutboxRelay;
  #reaper: NodeJS.Timeout | undefined;
  readonly #full = new Set<Priority>();
  #onFull: (lane: Priority, full: boolean) => void = () => {};
  #assigned: readonly number[] = [];

  constructor(options: EngineOptions) {
    const { dataSource, worker, logger } = options;
    this.#options = options;
    this.shards = new Shards(dataSource, worker.id);
    this.#ledger = new Ledger(dataSource, worker, this.shards, (found) => this.#found(found));
    this.#settler = new Settler(
      this.#ledger,
      {
        onCommitted: (settlements) => this.#committed(settlements),
        onWoken: (deliveries) => this.#dispatcher.add(deliveries),
        onAbandoned: (delivery) => this.#dispatcher.settled([delivery]),
        onLeaseLost: options.onLeaseLost,
      },
      logger,
      () => this.#dispatcher.isYielding,
    );
    this.#circuits = new Circuits(CHANNELS.flatMap((channel) => options.providers.of(channel)));
    this.#dispatcher = new Dispatcher({
      providers: (channel) => options.providers.of(channel),
      circuits: this.#circuits,
      endpoints: options.endpoints,
      gates: new Gates((provider, destination) => limitsOf(options.providerLimits, provider, destination)),
      concurrency: options.concurrency,
      capacity: options.capacity,
      unsettled: () => this.#settler.unsettled,
      providerTimeoutMs: options.providerTimeoutMs,
      scheduleOf: (provider, channel) => scheduleOf(options.retrySchedules, options.retrySchedule, provider, channel),
      mayStart: () => worker.mayStart,
      onDecided: (delivery, decision) => {
        logOutcome(logger, delivery, decision);
        this.#settler.add(toSettlement(delivery, decision));
      },
      logger,
    });
    this.#claimer = new Claimer({
      ledger: this.#ledger,
      shards: this.shards,
      dispatcher: this.#dispatcher,
      backlog: this.#backlog,
      logger,
      pollMs: options.pollMs,
    });
    this.#relay = new OutboxRelay({ dataSource, stream: worker.stream, producer: options.producer, logger });
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  start(): void {
    this.#options.worker.start(this.#options.onLeaseLost);
    this.#relay.start();
    this.#claimer.start();
    this.#scheduleReaper();
  }

  /**
   * Takes in one Kafka batch of a shard; resolves when it is in the ledger. Rejects when the signal is aborted before all of it is
   * there: the shard may be another worker's by then, and what is written on would take it back.
   */
  async takeIn(shard: number, batch: readonly AcceptedRequest[], signal: AbortSignal): Promise<void> {
    for (const piece of piecesOf(batch, () => this.#dispatcher.isYielding))
      await this.#takeInPiece(shard, piece, signal);
  }

  async #takeInPiece(shard: number, batch: readonly AcceptedRequest[], signal: AbortSignal): Promise<void> {
    const places = await roomInMemory(this.#dispatcher, this.#backlog, shard, batch);
    const began = performance.now();
    let ahead = false;
    try {
      signal.throwIfAborted();
      await this.shards.beside(shard, async () => {
        // The shard may have been waited for.
        signal.throwIfAborted();
        ahead = await this.#takeInBeside(shard, batch, places);
      });
    } finally {
      places?.giveBack();
    }
    this.#measurePressure();
    if (ahead) await restAfter(batch, performance.now() - began, this.#dispatcher.bulkShare, signal);
  }

  /** True when most of the batch waits in the ledger. */
  async #takeInBeside(shard: number, batch: readonly AcceptedRequest[], places: Places | undefined): Promise<boolean> {
    const isCatchingUp = this.shards.isCatchingUp(shard);
    const admission = new Admission(this.#dispatcher, this.#backlog, shard, isCatchingUp, places);
    try {
      const wake = !isCatchingUp && this.#dispatcher.shares.free >= batch.length;
      const started = await this.#ledger.takeIn(shard, batch, (delivery) => admission.admit(delivery), wake);
      await this.#start(started, admission.start());
      return admission.waiting > batch.length / 2;
    } finally {
      admission.end();
    }
  }

  async cancel(shard: number, commands: readonly CancelRequested[]): Promise<void> {
    await this.shards.exclusively(shard, async () => {
      this.#dispatcher.cancel(commands.map(({ notificationId }) => notificationId));
      const { ended, woken } = await this.#ledger.cancel(shard, commands, cancelledFact);
      for (const { channel } of ended) deliveriesTotal.inc({ channel, result: 'cancelled' });
      await this.#start(woken);
    });
    this.#relay.notify();
  }

  /** Facts were committed beside the engine: they leave at once. */
  publish(): void {
    this.#relay.notify();
  }

  /** `listener` is called when a lane is so far behind that nothing more is to be taken in, and again when it is not. */
  whenFull(listener: (lane: Priority, full: boolean) => void): void {
    this.#onFull = listener;
  }

  forgetIdleCircuits(): void {
    this.#circuits.forgetIdle();
  }

  /** Looks for what waits in the ledger. There should be nothing that is not known; were it so, it would wait for ever. */
  async refreshBacklog(): Promise<void> {
    const settled = this.shards.owned.filter((shard) => !this.shards.isCatchingUp(shard));
    const waiting = await this.#ledger.backlog(settled);
    // Some may have been lost meanwhile.
    this.#backlog.know(waiting.filter(({ shard }) => !this.shards.isCatchingUp(shard)));
    this.#measurePressure();
  }

  /**
   * The group gave this member these shards: take them over, and lose those it had and has no longer. Goes on trying while
   * the database is away, until a newer assignment replaces this one.
   */
  async assign(assigned: readonly number[]): Promise<void> {
    this.#assigned = assigned;
    for (let delayMs = 100; this.#assigned === assigned; delayMs = Math.min(delayMs * 2, 5000)) {
      try {
        for (const shard of this.shards.owned.filter((owned) => !assigned.includes(owned))) await this.#lose(shard);
        for (const shard of assigned) await this.shards.exclusively(shard, () => Promise.resolve());
        return;
      } catch (error) {
        this.#options.logger.warn({ err: error }, `Shards could not be taken over: trying again in ${delayMs} ms`);
        await sleep(delayMs);
      }
    }
  }

  async #lose(shard: number): Promise<void> {
    this.shards.lose(shard);
    this.#backlog.forget(shard);
    await this.#ledger.giveBack(this.#dispatcher.remove(shard).map(({ id }) => id));
  }

  /**
   * Stops in the order that loses nothing: nothing new, calls finish, outcomes are written, leases go back, facts are sent,
   * the worker leaves. What the deadline cuts off is picked up by others or after the next start.
   */
  async stop(deadlineMs: number): Promise<void> {
    clearTimeout(this.#reaper);
    await this.#claimer.stop();
    const waiting = await this.#dispatcher.stop(deadlineMs);
    await this.#settler.drained();
    await this.#ledger.giveBack(waiting.map(({ id }) => id));
    await this.#relay.stop();
    await this.#options.worker.leave();
    await this.#options.providers.close();
  }

  #start(leased: readonly LeasedDelivery[], isReserved?: (delivery: LeasedDelivery) => boolean): Promise<void> {
    return startOwned({ ledger: this.#ledger, shards: this.shards, dispatcher: this.#dispatcher }, leased, isReserved);
  }

  #found(deliveries: readonly LeasedDelivery[]): void {
    this.#options.logger.warn(
      { found: deliveries.length },
      'Deliveries were leased to this worker without its knowing',
    );
    this.#dispatcher.add(deliveries);
  }

  #committed(settlements: readonly Settlement[]): void {
    this.#relay.notify();
    for (const { delivery, status, ended } of settlements) {
      if (!ended) continue;
      deliveriesTotal.inc({ channel: delivery.channel, result: status });
      if (status !== 'delivered') continue;
      const seconds = (Date.now() - Date.parse(delivery.request.acceptedAt)) / 1000;
      endToEnd.observe({ channel: delivery.channel, priority: delivery.priority }, Math.max(0, seconds));
    }
    this.#measurePressure();
    this.#dispatcher.settled(settlements.map(({ delivery }) => delivery));
    this.#claimer.roomAgain();
  }

  /** A lane that has read so far ahead pauses; when it is down to half, it goes on. */
  #measurePressure(): void {
    const { readAhead } = this.#options;
    for (const lane of PRIORITIES) {
      const isFull = this.#full.has(lane);
      const full = this.#backlog.waiting(lane) >= (isFull ? readAhead / 2 : readAhead);
      if (full === isFull) continue;
      if (full) this.#full.add(lane);
      else this.#full.delete(lane);
      this.#onFull(lane, full);
    }
  }

  #scheduleReaper(): void {
    const { dataSource, worker, producer, logger, leaseMs } = this.#options;
    this.#reaper = setTimeout(() => {
      reapDeadWorkers(dataSource, worker.id, producer, logger)
        .catch((error: unknown) => logger.warn({ err: error }, 'Dead workers could not be cleared up'))
        .finally(() => this.#scheduleReaper());
    }, leaseMs / 5);
  }
}

function toSettlement(delivery: LeasedDelivery, decision: Decision): Settlement {
  const quiet = decision.postponed === true;
  const version = delivery.version + (quiet ? 0 : 1);
  return {
    delivery,
    status: decision.status,
    attempts: decision.attempts,
    version,
    nextAttemptAt: decision.nextAttemptAt,
    ended: hasEnded(decision.status),
    postponed: decision.byCircuit === true,
    fact: quiet ? undefined : factRecord(delivery, decision, version, new Date()),
  };
}
