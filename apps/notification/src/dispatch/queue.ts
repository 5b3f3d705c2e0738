import { CHANNELS, PRIORITIES, type Channel, type Priority } from '@bongsu/contracts';
import type { LeasedDelivery } from '../ledger/delivery.js';

/**
 * What of every 21 starts goes to each priority while all of them have work: urgent hardly notices the others, bulk
 * never stops.
 */
const WEIGHTS: Record<Priority, number> = { urgent: 16, normal: 4, bulk: 1 };

/** The deliveries of one key and channel: one at a time, in the order they came. */
interface KeyLine {
  readonly name: string;
  readonly channel: Channel;
  running: boolean;
  waiting: LeasedDelivery[];
  /** Whether the line stands in its priority's queue; it must not stand there twice. */
  queued: boolean;
}

/** The lines of a channel that may start. */
interface Ready {
  readonly channel: Channel;
  readonly useful: number;
  running: number;
  readonly lines: Record<Priority, Fifo<KeyLine>>;
}

/**
 * The order in which deliveries start; pure bookkeeping, without a clock and without I/O. Within a key and channel one runs
 * at a time and first come is first started; between keys the priorities share by weight (smooth weighted round-robin, as
 * in nginx), the channels of one priority take turns, and so do the lines of one channel. A channel that has as many running
 * as are of use to it leaves the rest to the others.
 */
export class DeliveryQueue {
  readonly #lines = new Map<string, KeyLine>();
  readonly #ready: readonly Ready[];
  readonly #credit: Record<Priority, number> = { urgent: 0, normal: 0, bulk: 0 };
  readonly #turn: Record<Priority, number> = { urgent: 0, normal: 0, bulk: 0 };
  #waiting = 0;
  #running = 0;

  /** @param useful how many deliveries of a channel are of use at the same time */
  constructor(useful: (channel: Channel) => number = () => Infinity) {
    this.#ready = CHANNELS.map((channel) => ({
      channel,
      useful: useful(channel),
      running: 0,
      lines: { urgent: new Fifo(), normal: new Fifo(), bulk: new Fifo() },
    }));
  }

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
      line = { name, channel: delivery.channel, running: false, waiting: [], queued: false };
      this.#lines.set(name, line);
    }
    line.waiting.push(delivery);
    this.#waiting++;
    this.#enqueue(line);
  }

  /** The next delivery that may start, or undefined. Its line is closed until `finish`. */
  take(): LeasedDelivery | undefined {
    for (let next = this.#pick(); next; next = this.#pick()) {
      const line = next.ready.lines[next.priority].shift();
      if (!line) continue;
      line.queued = false;
      const delivery = line.waiting.shift();
      // Emptied by `remove` while it stood in the queue.
      if (!delivery) {
        this.#forget(line);
        continue;
      }
      line.running = true;
      next.ready.running++;
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
    this.#readyOf(line.channel).running--;
    this.#forget(line);
    this.#enqueue(line);
  }

  /** Takes out what waits, of one shard or of all; what runs is left to finish. */
  remove(shard?: number): LeasedDelivery[] {
    const removed: LeasedDelivery[] = [];
    for (const line of this.#lines.values()) {
      const kept: LeasedDelivery[] = [];
      for (const delivery of line.waiting)
        (shard === undefined || delivery.shard === shard ? removed : kept).push(delivery);
      line.waiting = kept;
      this.#forget(line);
    }
    this.#waiting -= removed.length;
    return removed;
  }

  #enqueue(line: KeyLine): void {
    const [head] = line.waiting;
    if (line.running || line.queued || !head) return;
    line.queued = true;
    this.#readyOf(line.channel).lines[head.priority].push(line);
  }

  #forget(line: KeyLine): void {
    if (line.waiting.length === 0 && !line.running && !line.queued) this.#lines.delete(line.name);
  }

  #readyOf(channel: Channel): Ready {
    const ready = this.#ready.find((each) => each.channel === channel);
    if (!ready) throw new Error(`There is no channel ${channel}`);
    return ready;
  }

  #pick(): { ready: Ready; priority: Priority } | undefined {
    const startable = this.#ready.filter(({ running, useful }) => running < useful);
    let best: Priority | undefined;
    let total = 0;
    for (const priority of PRIORITIES) {
      if (!startable.some(({ lines }) => lines[priority].length > 0)) continue;
      total += WEIGHTS[priority];
      this.#credit[priority] += WEIGHTS[priority];
      if (best === undefined || this.#credit[priority] > this.#credit[best]) best = priority;
    }
    if (best === undefined) return undefined;
    this.#credit[best] -= total;
    return { ready: this.#channelInTurn(startable, best), priority: best };
  }

  #channelInTurn(startable: readonly Ready[], priority: Priority): Ready {
    const ready = startable.filter(({ lines }) => lines[priority].length > 0);
    return ready[this.#turn[priority]++ % ready.length]!;
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
