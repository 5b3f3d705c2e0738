import type { LeasedDelivery } from '../../ledger/delivery.js';
import { Fifo } from './fifo.js';
import type { KeyLine, KeyLock } from './flow.js';

/**
 * The lines of keys: within a lane, key and channel first come is first started; over all lanes one runs at a time. A lane
 * need not wait for another lane's deliveries to the same recipient, only for the one that is under way.
 */
export class KeyLines {
  readonly #lines = new Map<string, KeyLine>();
  readonly #locks = new Map<string, KeyLock>();

  /** Puts the delivery at the end of its line. */
  append(delivery: LeasedDelivery): KeyLine {
    const lockName = `${delivery.channel} ${delivery.key}`;
    const name = `${delivery.priority} ${lockName}`;
    let line = this.#lines.get(name);
    if (!line) {
      let lock = this.#locks.get(lockName);
      if (!lock) {
        lock = { name: lockName, running: false, waiters: [], lines: 0 };
        this.#locks.set(lockName, lock);
      }
      lock.lines++;
      line = { name, lock, waiting: new Fifo(), queued: false };
      this.#lines.set(name, line);
    }
    line.waiting.push(delivery);
    return line;
  }

  /** The line of a delivery that runs. */
  of({ priority, channel, key }: LeasedDelivery): KeyLine | undefined {
    return this.#lines.get(`${priority} ${channel} ${key}`);
  }

  /** Forgets a line in which nothing waits and nothing runs. */
  forget(line: KeyLine): void {
    if (line.waiting.length > 0 || line.queued || line.lock.running || this.#lines.get(line.name) !== line) return;
    this.#lines.delete(line.name);
    if (--line.lock.lines === 0) this.#locks.delete(line.lock.name);
  }

  /**
   * Takes what matches out of all lines; what runs is in none. A line whose first one is gone may belong to another flow now:
   * what is left of it is a new line, given in `moved`, and the old one stays empty where it stands.
   */
  removeIf(matches: (delivery: LeasedDelivery) => boolean): { removed: LeasedDelivery[]; moved: KeyLine[] } {
    const removed: LeasedDelivery[] = [];
    const moved: KeyLine[] = [];
    for (const line of this.#lines.values()) {
      const head = line.waiting.peek();
      const gone = line.waiting.removeIf(matches);
      removed.push(...gone);
      if (head === undefined || gone[0] !== head) continue;
      const rest = { ...line, waiting: line.waiting, queued: false };
      line.waiting = new Fifo();
      this.#lines.set(line.name, rest);
      moved.push(rest);
    }
    return { removed, moved };
  }
}
