import type { Logger } from '@bongsu/observability';
import type { Ledger } from '../ledger/ledger.js';
import type { Shards } from '../ledger/shards.js';
import type { Backlog } from './backlog.js';
import type { Dispatcher } from './dispatcher.js';
import { startOwned } from './start-owned.js';

export interface ClaimerOptions {
  readonly ledger: Pick<
    Ledger,
    'backlog' | 'claim' | 'emptyBacklog' | 'findLost' | 'findUnheard' | 'giveBack' | 'heldByOthers' | 'leaseBacklog'
  >;
  readonly shards: Shards;
  readonly dispatcher: Pick<Dispatcher, 'add' | 'flowOf' | 'isYielding' | 'shares'>;
  readonly backlog: Backlog;
  readonly logger: Logger;
  /** How often due work is looked for, milliseconds: a retry is at most this late. */
  readonly pollMs: number;
}

/** Deliveries leased by one statement at most. */
const CLAIM_LIMIT = 1000;
/** And while bulk gives way: a page keeps the processor from the urgent ones that come meanwhile. */
const SMALL_PAGE = 200;
/** How often the ledger is asked for leases that got lost, milliseconds: as long may whatever nobody thought of delay one. */
const LOST_MS = 30_000;

/**
 * Brings work from the ledger to the dispatcher: due retries and scheduled deliveries; what waits of flows that hold less
 * memory than they may; and, of a shard that has just come to this worker, everything that its former owner left behind,
 * before anything newer.
 */
export class Claimer {
  readonly #options: ClaimerOptions;
  readonly #due: Rounds;
  readonly #backlog: Rounds;
  readonly #lost: Rounds;

  constructor(options: ClaimerOptions) {
    this.#options = options;
    const { logger, pollMs } = options;
    // Two, because a look for due work must not wait for a page of the backlog, nor the other way round.
    this.#due = new Rounds(() => this.#claim(), pollMs, logger);
    this.#backlog = new Rounds(() => this.#readBacklog(), pollMs, logger);
    this.#lost = new Rounds(() => this.#findLost(), LOST_MS, logger);
  }

  start(): void {
    this.#due.start();
    this.#backlog.start();
    this.#lost.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#due.stop(), this.#backlog.stop(), this.#lost.stop()]);
  }

  /** There is room in memory again: what waits for it need not wait for the next look. */
  roomAgain(): void {
    if (this.#options.backlog.waiting() > 0) this.#backlog.now();
  }

  async #findLost(): Promise<boolean> {
    await this.#options.ledger.findLost();
    return false;
  }

  async #claim(): Promise<boolean> {
    // Whether there is anything to claim or not: others may wait for what this worker holds of their shards.
    await this.#options.ledger.findUnheard();
    let again = await this.#claimDue();
    for (const shard of this.#options.shards.catchingUp) again = (await this.#catchUp(shard)) || again;
    return again;
  }

  /** True when there is probably more. */
  async #claimDue(): Promise<boolean> {
    const { ledger, shards } = this.#options;
    const settled = shards.owned.filter((shard) => !shards.isCatchingUp(shard));
    const limit = this.#room();
    if (settled.length === 0 || limit === 0) return false;
    return shards.during(settled, async () => {
      const due = await ledger.claim(settled, limit);
      await startOwned(this.#options, due);
      return due.length === limit;
    });
  }

  /** Alone with the shard: new work waits meanwhile, and once nothing older is left it may go straight to memory. */
  async #catchUp(shard: number): Promise<boolean> {
    const { ledger, shards, backlog } = this.#options;
    return shards.exclusively(shard, async () => {
      const limit = this.#room();
      if (limit === 0 || !shards.isTaken(shard)) return false;
      // Asked before the claim: what is given back between the two would be in neither answer, and overtaken by what is new.
      const isHeld = await ledger.heldByOthers(shard);
      const older = await ledger.claim([shard], limit);
      await startOwned(this.#options, older);
      if (older.length === limit) return true;
      if (isHeld) return false;
      const waiting = await ledger.backlog([shard]);
      if (shards.caughtUp(shard)) backlog.know(waiting);
      return false;
    });
  }

  /** True when there is probably more. */
  async #readBacklog(): Promise<boolean> {
    const { ledger, shards, dispatcher, backlog } = this.#options;
    const isOpen = (shard: number): boolean => !shards.isCatchingUp(shard);
    const limit = dispatcher.isYielding ? SMALL_PAGE : CLAIM_LIMIT;
    const parts = backlog.next(dispatcher.shares, isOpen, limit);
    if (parts.length === 0) return false;
    const open = parts.map(({ shard }) => shard);
    const leased = await shards.during(open, async () => {
      const page = await ledger.leaseBacklog(parts);
      await startOwned(this.#options, page);
      return page;
    });
    const taken = Map.groupBy(leased, (delivery) => `${delivery.shard} ${dispatcher.flowOf(delivery)}`);
    const ended = [];
    for (const part of parts) {
      const count = taken.get(`${part.shard} ${part.flow}`)?.length ?? 0;
      backlog.took(part.shard, part.flow, count);
      if (count < part.count) ended.push(backlog.glance(part));
    }
    if (ended.length > 0) for (const each of await ledger.emptyBacklog(ended)) backlog.empty(each);
    return leased.length > 0;
  }

  #room(): number {
    return Math.min(CLAIM_LIMIT, this.#options.dispatcher.shares.free);
  }
}

/** One kind of work, over and over: at once while there is more, else every so often. */
class Rounds {
  readonly #round: () => Promise<boolean>;
  readonly #everyMs: number;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(round: () => Promise<boolean>, everyMs: number, logger: Logger) {
    this.#round = round;
    this.#everyMs = everyMs;
    this.#logger = logger;
  }

  start(): void {
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** Does not wait for the next time, unless a round is under way. */
  now(): void {
    if (this.#timer) this.#schedule(0);
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#run();
    }, ms);
  }

  async #run(): Promise<void> {
    let again = false;
    try {
      again = await this.#round();
    } catch (error) {
      this.#logger.warn({ err: error }, 'Deliveries could not be claimed');
    }
    this.#schedule(again ? 0 : this.#everyMs);
  }
}
