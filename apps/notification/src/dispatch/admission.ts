import type { LeasedDelivery } from '../ledger/delivery.js';
import type { Backlog } from './backlog.js';
import type { Dispatcher } from './dispatcher.js';

/** Which deliveries of one batch go straight to memory, and which wait in the ledger behind others of their flow. */
export class Admission {
  readonly #dispatcher: Dispatcher;
  readonly #backlog: Backlog;
  readonly #shard: number;
  readonly #isCatchingUp: boolean;
  readonly #reserved = new Map<string, string>();
  readonly #waiting: string[] = [];
  #started = false;

  /** @param isCatchingUp older deliveries of any key may be in other hands or in the ledger: all of these wait there */
  constructor(dispatcher: Dispatcher, backlog: Backlog, shard: number, isCatchingUp: boolean) {
    this.#dispatcher = dispatcher;
    this.#backlog = backlog;
    this.#shard = shard;
    this.#isCatchingUp = isCatchingUp;
  }

  /** Undefined when there is a place in memory, which is reserved; else the flow under which the delivery is to wait. */
  admit(delivery: LeasedDelivery): string | undefined {
    const flow = this.#dispatcher.flowOf(delivery);
    const mustWait = this.#isCatchingUp || this.#backlog.isBehind(this.#shard, flow);
    if (!mustWait && this.#dispatcher.shares.reserve(flow, delivery.priority)) {
      this.#reserved.set(delivery.id, flow);
      return undefined;
    }
    this.#backlog.adding(this.#shard, flow, delivery.priority);
    this.#waiting.push(flow);
    return flow;
  }

  /** How many of the batch wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The batch is in the ledger, and these deliveries of it are leased. */
  start(leased: readonly LeasedDelivery[]): void {
    this.#started = true;
    this.#dispatcher.add(leased, ({ id }) => this.#reserved.delete(id));
  }

  /** In any case: gives back what was reserved and not used, for records that were known already or a batch that failed. */
  end(): void {
    for (const flow of this.#reserved.values()) this.#dispatcher.shares.give(flow);
    for (const flow of this.#waiting) this.#backlog.added(this.#shard, flow, !this.#started);
  }
}
