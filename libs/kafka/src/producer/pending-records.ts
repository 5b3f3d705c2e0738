import { BATCH_OVERHEAD_BYTES, type Entry } from './record.js';
import type { TopicState } from './topic-catalog.js';

/** The records that wait to be sent, oldest first, and the bytes that they and those in flight take. */
export class PendingRecords {
  #entries: Entry[] = [];
  /** Where the queue starts in the array: shifting each record off would move all the others. */
  #head = 0;
  #bytes = 0;
  #waiters: (() => void)[] = [];

  get size(): number {
    return this.#entries.length - this.#head;
  }

  /** Bytes of waiting records and of batches that were taken and not released yet. */
  get bytes(): number {
    return this.#bytes;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
  }

  first(): Entry | undefined {
    return this.#entries[this.#head];
  }

  /**
   * Takes the next batch off the queue, in order: at most so many records and bytes, though always one, and for no
   * partition more than its topic takes in one batch. `prepare` decides over each record; one that it drops is released.
   */
  takeBatch(maxRecords: number, maxBytes: number, prepare: (entry: Entry) => 'take' | 'stop' | 'drop'): Entry[] {
    const batch: Entry[] = [];
    const shares = new Map<TopicState, Map<number, number>>();
    let bytes = 0;
    for (let entry = this.first(); entry; entry = this.first()) {
      if (batch.length >= maxRecords || (batch.length > 0 && bytes + entry.bytes > maxBytes)) break;
      const decision = prepare(entry);
      if (decision === 'stop' || (decision === 'take' && !fits(shares, entry))) break;
      this.#head++;
      if (decision === 'drop') {
        this.#bytes -= entry.bytes;
        continue;
      }
      bytes += entry.bytes;
      batch.push(entry);
    }
    this.#compact();
    return batch;
  }

  /** Gives back the memory of a batch that has been sent. */
  release(batch: readonly Entry[]): void {
    for (const entry of batch) this.#bytes -= entry.bytes;
  }

  takeOlderThan(at: number): Entry[] {
    let end = this.#head;
    while (end < this.#entries.length && this.#entries[end]!.at < at) end++;
    const taken = this.#entries.slice(this.#head, end);
    this.#head = end;
    this.release(taken);
    this.#compact();
    return taken;
  }

  takeTopic(topic: TopicState): Entry[] {
    const waiting = this.#entries.slice(this.#head);
    const taken = waiting.filter((entry) => entry.topic === topic);
    this.#entries = waiting.filter((entry) => entry.topic !== topic);
    this.#head = 0;
    this.release(taken);
    return taken;
  }

  takeAll(): Entry[] {
    const taken = this.#entries.slice(this.#head);
    this.#entries = [];
    this.#head = 0;
    this.release(taken);
    return taken;
  }

  /** Resolves at the next `notifyIdle`. */
  idle(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  notifyIdle(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  #compact(): void {
    if (this.#head < this.#entries.length && this.#head < 4_096) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}

function fits(shares: Map<TopicState, Map<number, number>>, { topic, message, bytes }: Entry): boolean {
  let partitions = shares.get(topic);
  if (!partitions) shares.set(topic, (partitions = new Map()));
  const share = (partitions.get(message.partition) ?? BATCH_OVERHEAD_BYTES) + bytes;
  if (share > topic.maxMessageBytes) return false;
  partitions.set(message.partition, share);
  return true;
}
