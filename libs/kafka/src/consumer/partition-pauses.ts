import { backoffMs } from '../cluster/backoff.js';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** What of kafkajs' consumer is needed here. */
export interface Pausable {
  pause(topics: { topic: string; partitions: number[] }[]): void;
  resume(topics: { topic: string; partitions: number[] }[]): void;
}

const FIRST_MS = 100;
const MAX_MS = 10_000;
const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/**
 * Which partitions are not fetched at the moment: all of them or those of a topic (back-pressure), single ones that wait
 * after a failure, and those of which a batch is handled beside the fetch loop. Ending one pause leaves the others alone.
 * Heartbeats go on in any case.
 */
export class PartitionPauses {
  readonly #consumer: () => Pausable | undefined;
  readonly #waiting = new Map<string, { at: TopicPartition; timer: NodeJS.Timeout }>();
  readonly #attempts = new Map<string, number>();
  #assigned: readonly TopicPartition[] = [];
  readonly #topics = new Set<string>();
  readonly #held = new Set<string>();
  #all = false;

  constructor(consumer: () => Pausable | undefined) {
    this.#consumer = consumer;
  }

  /** Whether its records are to be left alone. One that is only held is at work. */
  isPaused(at: TopicPartition): boolean {
    return this.#all || this.#topics.has(at.topic) || this.#waiting.has(keyOf(at));
  }

  pauseTopic(topic: string): void {
    this.#topics.add(topic);
    this.#apply();
  }

  resumeTopic(topic: string): void {
    this.#topics.delete(topic);
    this.#apply();
  }

  /** Fetches nothing more of a partition until `letGo`: what was fetched is being handled. */
  hold(at: TopicPartition): void {
    this.#held.add(keyOf(at));
    this.#apply();
  }

  letGo(at: TopicPartition): void {
    if (this.#held.delete(keyOf(at))) this.#apply();
  }

  pauseAll(): void {
    this.#all = true;
    this.#apply();
  }

  resumeAll(): void {
    this.#all = false;
    this.#apply();
  }

  /** Pauses one partition for a while: 100 ms to 10 s, longer after each failure in a row. Returns for how long. */
  backOff(at: TopicPartition): number {
    const key = keyOf(at);
    const attempt = this.#attempts.get(key) ?? 0;
    this.#attempts.set(key, attempt + 1);
    const ms = backoffMs(attempt, FIRST_MS, MAX_MS);
    clearTimeout(this.#waiting.get(key)?.timer);
    const timer = setTimeout(() => {
      this.#waiting.delete(key);
      this.#apply();
    }, ms);
    this.#waiting.set(key, { at, timer });
    this.#apply();
    return ms;
  }

  succeeded(at: TopicPartition): void {
    this.#attempts.delete(keyOf(at));
  }

  /** Starts afresh with other partitions. A pause of all of them stays: what it holds back is in this process. */
  assign(assigned: readonly TopicPartition[]): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    this.#attempts.clear();
    this.#held.clear();
    this.#assigned = assigned;
    this.#apply();
  }

  #apply(): void {
    const consumer = this.#consumer();
    if (!consumer || this.#assigned.length === 0) return;
    const isResting = (at: TopicPartition): boolean => this.isPaused(at) || this.#held.has(keyOf(at));
    const [paused, active] = [this.#assigned.filter(isResting), this.#assigned.filter((at) => !isResting(at))];
    try {
      if (paused.length > 0) consumer.pause(byTopic(paused));
      if (active.length > 0) consumer.resume(byTopic(active));
    } catch {
      // The consumer is between two runs; it is applied again when it has its partitions.
    }
  }
}

function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const topics = Map.groupBy(partitions, ({ topic }) => topic);
  return [...topics].map(([topic, each]) => ({ topic, partitions: each.map(({ partition }) => partition) }));
}
