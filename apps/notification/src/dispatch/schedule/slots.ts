import type { Priority } from '@bongsu/contracts';
import type { LeasedDelivery } from '../../ledger/delivery.js';
import { ceilingOf } from './gate.js';
import { YieldingWindow } from './yielding.js';

/** A destination that uses more than this share of all slots takes another only while there are slots to spare. */
const WINDOW = 0.05;
/** The slots to spare: who hangs may hold the others, and not these. */
const SPARE = 0.05;

/** The slots for deliveries that are under way or not yet settled, and who may have one. */
export class Slots {
  readonly #total: number;
  readonly #yielding: YieldingWindow;
  #inUse = 0;

  constructor(total: number) {
    this.#total = total;
    this.#yielding = new YieldingWindow(total);
  }

  /** How many a lane may still take; below zero when others have them. */
  free(priority: Priority, now: number): number {
    const yielding = priority === 'bulk' ? this.#yielding.ceiling(now) : undefined;
    return Math.min(ceilingOf(this.#total, priority), yielding ?? Infinity) - this.#inUse;
  }

  /** Whether a destination with so many under way has to leave the free slots to others. */
  isBeyondWindow(running: number, free: number): boolean {
    return running >= Math.ceil(this.#total * WINDOW) && free <= Math.floor(this.#total * SPARE);
  }

  take({ priority, attempts, ordered, request }: LeasedDelivery, now: number): void {
    this.#inUse++;
    // Only those that went straight to their start tell how busy the way is.
    if (priority !== 'urgent' || attempts > 0 || ordered || request.sendAt !== undefined) return;
    this.#yielding.sample(now - Date.parse(request.acceptedAt), now);
  }

  release(count: number): void {
    this.#inUse -= count;
  }

  /** Until when bulk gives way to urgent deliveries, milliseconds since 1970; in the past when it does not. */
  get yieldingUntil(): number {
    return this.#yielding.until;
  }
}
