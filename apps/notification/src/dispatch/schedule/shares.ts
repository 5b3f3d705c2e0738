import type { Priority } from '@bongsu/contracts';

/** How many times the memory that is still free one flow of a lane may hold. */
const ALPHA: Record<Priority, number> = { urgent: 8, normal: 2, bulk: 1 };

/**
 * Who may hold how much of the memory for waiting deliveries. A flow may grow to a multiple of what is still free (dynamic
 * thresholds: Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998): alone it gets most of it, with others
 * there each gets an equal part, and something is always free for one that comes anew. What finds no room waits in the ledger.
 */
export class MemoryShares {
  readonly #capacity: number;
  /** What is in memory beside what was reserved here: outcomes that are not recorded yet. */
  readonly #others: () => number;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(capacity: number, others: () => number = () => 0) {
    this.#capacity = capacity;
    this.#others = others;
  }

  get free(): number {
    return Math.max(0, this.#capacity - this.#total - this.#others());
  }

  heldBy(flow: string): number {
    return this.#held.get(flow) ?? 0;
  }

  /** How many more the flow may hold. */
  roomOf(flow: string, priority: Priority): number {
    const { free } = this;
    return Math.max(0, Math.min(free, Math.floor(ALPHA[priority] * free) - this.heldBy(flow)));
  }

  /** Whether the flow may hold so many more, or as many as can be asked of the memory: a tenth. */
  canHold(flow: string, priority: Priority, count: number): boolean {
    return this.roomOf(flow, priority) >= Math.min(count, this.#capacity / 10);
  }

  /** Takes a place for one delivery if the flow may have one more. */
  reserve(flow: string, priority: Priority): boolean {
    if (this.roomOf(flow, priority) < 1) return false;
    this.take(flow);
    return true;
  }

  /** Takes places whether there are any or not: the delivery is leased already, or there were when it was looked. */
  take(flow: string, count = 1): void {
    this.#total += count;
    this.#held.set(flow, this.heldBy(flow) + count);
  }

  give(flow: string, count = 1): void {
    this.#total -= count;
    const held = this.heldBy(flow) - count;
    if (held > 0) this.#held.set(flow, held);
    else this.#held.delete(flow);
  }
}
