import { PRIORITIES, type Priority } from '@bongsu/contracts';
import type { LeasedDelivery } from '../ledger/delivery.js';

/**
 * What of every 21 starts goes to each priority while all of them have work: urgent hardly notices the others, bulk
 * never stops.
 */
const WEIGHTS: Record<Priority, number> = { urgent: 16, normal: 4, bulk: 1 };

/** The deliveries of one key and channel: one at a time, in the order they came. */
interface KeyLine {
  readonly name: string;
  running: boolean;
  waiting: LeasedDelivery[];
  /** Whether the line stands in its priority's queue; it must not stand there twice. */
  queued: boolean;
}

/**
 * The order in which deliveries start; pure bookkeeping, without a clock and without I/O. Within a key and channel one runs
 * at a time and first come is first started; between keys the priorities share by weight (smooth weighted round-robin, as
 * in nginx) and lines of one priority take turns.
 */
export class DeliveryQueue {
  readonly #lines = new Map<string, KeyLine>();
  readonly #ready: Record<Priority, Fifo<KeyLine>> = { urgent: new Fifo(), normal: new Fifo(), bulk: new Fifo() };
  readonly #credit: Record<Priority, number> = { urgent: 0, normal: 0, bulk: 0 };
  #waiting = 0;
  #running = 0;

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How many were taken and have not finished. */
  get running(): number {
    return this.#running;
  }

  add(delivery: LeasedDelivery): void {
    const name = lineName(delivery);
    let line = this.#lines.get(name);
    if (!line) {
      line = { name, running: false, waiting: [], queued: false };
      this.#lines.set(name, line);
    }
    line.waiting.push(delivery);
    this.#waiting++;
    this.#enqueue(line);
  }

  /** The next delivery that may start, or undefined. Its line is closed until `finish`. */
  take(): LeasedDelivery | undefined {
    for (let priority = this.#pick(); priority; priority = this.#pick()) {
      const line = this.#ready[priority].shift();
      if (!line) continue;
      line.queued = false;
      const delivery = line.waiting.shift();
      // Emptied by `removeShard` while it stood in the queue.
      if (!delivery) continue;
      line.running = true;
      this.#waiting--;
      this.#running++;
      return delivery;
    }
    return undefined;
  }

  /** The delivery's attempt is over: the next of its key and channel may start. */
  finish(delivery: LeasedDelivery): void {
    const line = this.#lines.get(lineName(delivery));
    if (!line?.running) throw new Error(`Delivery ${delivery.id} was not running`);
    line.running = false;
    this.#running--;
    if (line.waiting.length === 0) this.#lines.delete(line.name);
    else this.#enqueue(line);
  }

  /** Takes out what waits, of one shard or of all; what runs is left to finish. */
  remove(shard?: number): LeasedDelivery[] {
    const removed: LeasedDelivery[] = [];
    for (const line of this.#lines.values()) {
      const kept: LeasedDelivery[] = [];
      for (const delivery of line.waiting)
        (shard === undefined || delivery.shard === shard ? removed : kept).push(delivery);
      line.waiting = kept;
      if (kept.length === 0 && !line.running && !line.queued) this.#lines.delete(line.name);
    }
    this.#waiting -= removed.length;
    return removed;
  }

  #enqueue(line: KeyLine): void {
    const [head] = line.waiting;
    if (line.running || line.queued || !head) return;
    line.queued = true;
    this.#ready[head.priority].push(line);
  }

  #pick(): Priority | undefined {
    let best: Priority | undefined;
    let total = 0;
    for (const priority of PRIORITIES) {
      if (this.#ready[priority].length === 0) continue;
      total += WEIGHTS[priority];
      this.#credit[priority] += WEIGHTS[priority];
      if (best === undefined || this.#credit[priority] > this.#credit[best]) best = priority;
    }
    if (best !== undefined) this.#credit[best] -= total;
    return best;
  }
}

const lineName = (delivery: LeasedDelivery): string => `${delivery.channel} ${delivery.key}`;

/** A queue whose `shift` does not move the rest; Array.prototype.shift would, for tens of thousands of keys. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head++];
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
