import type { TopicPartition } from './partition-pauses.js';

/** What of a topic is handled beside the fetch loop. */
export interface Beside {
  /** So many partitions at the same time, at most. */
  readonly partitions: number;
  /** Batches of at least so many records. */
  readonly from: number;
}

/** By topic; undefined: nothing of it. */
export type BesideOf = (topic: string) => Beside | undefined;

interface Slots {
  free: number;
  readonly waiting: (() => void)[];
}

/**
 * Batches that are handled beside the fetch loop. kafkajs fetches again only when everything that it fetched has been
 * handled: handled there, a backlog of one topic would keep the other topics' records from being fetched at all. The
 * caller pauses the partition meanwhile, so that there is one batch of it at a time.
 */
export class Background {
  readonly #besideOf: BesideOf;
  readonly #topics = new Map<string, Slots>();
  readonly #running = new Map<string, Promise<void>>();

  constructor(besideOf: BesideOf) {
    this.#besideOf = besideOf;
  }

  takes(topic: string, records: number): boolean {
    const beside = this.#besideOf(topic);
    return beside !== undefined && records >= beside.from;
  }

  /** Runs work that rejects never, when it is its topic's turn and what ran for the partition before has ended. */
  run(at: TopicPartition, work: () => Promise<void>): void {
    const key = keyOf(at);
    const before = this.#running.get(key);
    const running = this.#inTurn(at.topic, before, work);
    this.#running.set(key, running);
    void running.then(() => {
      if (this.#running.get(key) === running) this.#running.delete(key);
    });
  }

  async #inTurn(topic: string, before: Promise<void> | undefined, work: () => Promise<void>): Promise<void> {
    await before;
    const slots = this.#slotsOf(topic);
    if (slots.free > 0) slots.free--;
    else await new Promise<void>((resolve) => slots.waiting.push(resolve));
    try {
      await work();
    } finally {
      const next = slots.waiting.shift();
      if (next) next();
      else slots.free++;
    }
  }

  /** Resolves when nothing runs for the partition any more. */
  async idle(at: TopicPartition): Promise<void> {
    await this.#running.get(keyOf(at));
  }

  async allIdle(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  #slotsOf(topic: string): Slots {
    let slots = this.#topics.get(topic);
    if (!slots) {
      slots = { free: this.#besideOf(topic)?.partitions ?? 1, waiting: [] };
      this.#topics.set(topic, slots);
    }
    return slots;
  }
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
