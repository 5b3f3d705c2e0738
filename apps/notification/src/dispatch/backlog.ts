import { PRIORITIES, type Priority } from '@bongsu/contracts';
import type { BacklogOfFlow, BacklogPart } from '../ledger/ledger.js';
import type { MemoryShares } from './schedule/shares.js';

/** One flow of one shard with deliveries that wait in the ledger. */
interface Part {
  readonly shard: number;
  readonly flow: string;
  readonly priority: Priority;
  /** About how many wait: what is put there while a page is read is counted, what is cancelled there is not. */
  waiting: number;
  /** Batches that are about to add to it. */
  adding: number;
  /** How often something was added: whoever finds nothing left must have looked after the last time. */
  additions: number;
}

/** A look into the ledger for a part's rest. */
export interface Glance {
  readonly shard: number;
  readonly flow: string;
  readonly additions: number;
}

/**
 * Which flows have deliveries waiting in the ledger. As long as one has, its newer ones go there too, behind them: that is
 * what keeps a key's first attempts in order. Pure bookkeeping; the ledger has the truth, and `know` brings it here.
 */
export class Backlog {
  readonly #parts = new Map<string, Part>();

  /** Deliveries that wait, about; of one lane or of all. */
  waiting(priority?: Priority): number {
    let sum = 0;
    for (const part of this.#parts.values())
      if (priority === undefined || part.priority === priority) sum += part.waiting;
    return sum;
  }

  isBehind(shard: number, flow: string): boolean {
    return this.#parts.has(nameOf(shard, flow));
  }

  /** From now on the flow's deliveries wait in the ledger. Call `added` when the batch that adds this one is over. */
  adding(shard: number, flow: string, priority: Priority): void {
    const part = this.#part({ shard, flow, priority });
    part.adding++;
    part.additions++;
    part.waiting++;
  }

  /** @param failed nothing was added after all */
  added(shard: number, flow: string, failed: boolean): void {
    const part = this.#parts.get(nameOf(shard, flow));
    if (!part) return;
    part.adding--;
    if (failed) part.waiting--;
  }

  /** What the ledger says of a shard. What was not known is known now; what is known stays, as it may just be growing. */
  know(rows: readonly BacklogOfFlow[]): void {
    for (const { count, ...of } of rows) this.#part(of).waiting = count;
  }

  forget(shard: number): void {
    for (const [name, part] of this.#parts) if (part.shard === shard) this.#parts.delete(name);
  }

  /**
   * What to bring into memory next: the more urgent lanes first, of each flow as many as it may hold, all of its shards
   * alike. A flow that still has half of what it may hold is left alone, so that pages are worth their statement.
   * @param isOpen whether a shard's backlog may be read
   * @param limit deliveries in all, at most
   */
  next(shares: MemoryShares, isOpen: (shard: number) => boolean, limit: number): BacklogPart[] {
    const parts = [...this.#parts.values()].filter(({ shard, adding, waiting }) => {
      return isOpen(shard) && (waiting > 0 || adding === 0);
    });
    const flows = [...Map.groupBy(parts, ({ flow }) => flow).values()];
    flows.sort(([a], [b]) => PRIORITIES.indexOf(a!.priority) - PRIORITIES.indexOf(b!.priority));
    const wanted: BacklogPart[] = [];
    let left = Math.min(limit, shares.free);
    for (const [i, ofFlow] of flows.entries()) {
      const [{ flow, priority }] = ofFlow as [Part];
      const room = shares.roomOf(flow, priority);
      if (room < shares.heldBy(flow)) continue;
      const count = Math.min(room, Math.ceil(left / (flows.length - i)));
      const each = Math.ceil(count / ofFlow.length);
      for (const { shard } of ofFlow) if (each > 0) wanted.push({ shard, flow, count: each });
      left -= count;
      if (left <= 0) break;
    }
    return wanted;
  }

  /** Before a look into the ledger: what must not have changed for its answer to hold. */
  glance({ shard, flow }: BacklogPart): Glance {
    const part = this.#parts.get(nameOf(shard, flow));
    // While something is being added, no look tells that nothing is left.
    return { shard, flow, additions: part && part.adding === 0 ? part.additions : -1 };
  }

  took(shard: number, flow: string, count: number): void {
    const part = this.#parts.get(nameOf(shard, flow));
    if (part) part.waiting = Math.max(0, part.waiting - count);
  }

  /** The look found nothing: newer deliveries of the flow need not wait, unless there are some by now. */
  empty({ shard, flow, additions }: Glance): void {
    const name = nameOf(shard, flow);
    if (this.#parts.get(name)?.additions === additions) this.#parts.delete(name);
  }

  #part({ shard, flow, priority }: Pick<Part, 'shard' | 'flow' | 'priority'>): Part {
    const name = nameOf(shard, flow);
    let part = this.#parts.get(name);
    if (!part) {
      part = { shard, flow, priority, waiting: 0, adding: 0, additions: 0 };
      this.#parts.set(name, part);
    }
    return part;
  }
}

const nameOf = (shard: number, flow: string): string => `${shard} ${flow}`;
