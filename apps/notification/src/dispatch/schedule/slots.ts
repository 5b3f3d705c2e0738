import type { Priority } from '@bongsu/contracts';
import { YieldingWindow } from '@bongsu/lanes';
import type { LeasedDelivery } from '../../ledger/delivery.js';
import { ceilingOf } from './gate.js';

/** A destination that uses more than this share of all slots takes another only while there are slots to spare. */
const WINDOW = 0.05;
/** The slots to spare: who hangs may hold the others, and not these. */
const SPARE = 0.05;

/** The slots for deliveries that are under way or not yet settled, and who may have one. */
export class Slots {
  readonly #total: number;
  readonly #yielding: YieldingWindow;
  #inUse = 0;
  #inUseByBulk = 0;

  constructor(total: number) {
    this.#total = total;
    this.#yielding = new YieldingWindow(total);
  }

  /** How many a lane may still take; below zero when others have them. */
  free(priority: Priority, now: number): number {
    const yielding = priority === 'bulk' ? this.#yielding.ceiling(now) : undefined;
    const free = ceilingOf(this.#total, priority) - this.#inUse;
    return yielding === undefined ? free : Math.min(free, yielding - this.#inUseByBulk);
  }

  /** Whether a destination with so many under way has to leave the free slots to others. */
  isBeyondWindow(running: number, free: number): boolean {
    return running >= Math.ceil(this.#total * WINDOW) && free <= Math.floor(this.#total * SPARE);
  }

  take({ priority, attempts, ordered, request }: LeasedDelivery, now: number): void {
    this.#inUse++;
    if (priority === 'bulk') this.#inUseByBulk++;
    // Only those that went straight to their start tell how busy the way is.
    if (priority !== 'urgent' || attempts > 0 || ordered || request.sendAt !== undefined) return;
    this.#yielding.sample(now - Date.parse(request.acceptedAt), now, this.#inUseByBulk);
  }

  release(deliveries: readonly Pick<LeasedDelivery, 'priority'>[]): void {
    this.#inUse -= deliveries.length;
    for (const { priority } of deliveries) if (priority === 'bulk') this.#inUseByBulk--;
  }

  /** What of all slots bulk may have at present, at most: 1 when it gives way to nobody. */
  bulkShare(now: number): number {
    return (this.#yielding.ceiling(now) ?? this.#total) / this.#total;
  }

  /** Until when what bulk may have stays as it is, milliseconds since 1970; Infinity when it gives way to nobody. */
  yieldingUntil(now: number): number {
    return this.#yielding.changesAt(now);
  }
}
