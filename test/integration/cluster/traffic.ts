import { setTimeout as sleep } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import type { TopicDeclaration } from '@bongsu/contracts';
import { OnBatch, type EventBatch, type KafkaProducer } from '@bongsu/kafka';
import { waitUntil } from '@bongsu/testing';
import { numbered, type Bench, type Numbered } from '../kafka/harness.js';

const KEYS = Array.from({ length: 24 }, (_, index) => `key-${index}`);
/** Longer than any of these failures lasts: then every record has to be acknowledged in the end. */
const DELIVERY_TIMEOUT_MS = 90_000;
const MOST_IN_FLIGHT = 3_000;

/**
 * Records for many keys, one after the other without waiting, and a consumer that reads along; afterwards it is compared what
 * was acknowledged, what the topic has, and what the consumer got.
 */
export class Traffic {
  readonly #bench: Bench;
  readonly #topic: TopicDeclaration;
  readonly #producer: KafkaProducer;
  /** By key, in the order of acknowledgement. */
  readonly #acknowledged = new Map<string, number[]>(KEYS.map((key) => [key, []]));
  readonly #consumed = new Map<string, number[]>(KEYS.map((key) => [key, []]));
  readonly #failures: unknown[] = [];
  #inFlight = 0;
  #next = 0;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(bench: Bench, topic: TopicDeclaration, producer: KafkaProducer) {
    this.#bench = bench;
    this.#topic = topic;
    this.#producer = producer;
  }

  static async start(bench: Bench, topic: TopicDeclaration): Promise<Traffic> {
    const producer = await bench.producer({}, { deliveryTimeoutMs: DELIVERY_TIMEOUT_MS });
    const traffic = new Traffic(bench, topic, producer);
    await traffic.#consume();
    traffic.#running = traffic.#produce();
    await traffic.flows();
    return traffic;
  }

  get acknowledged(): number {
    return count(this.#acknowledged);
  }

  /** Waits until some more records have been acknowledged and consumed: whatever happened is over. */
  async flows(): Promise<void> {
    const [acknowledged, consumed] = [this.acknowledged + 500, count(this.#consumed) + 500];
    await waitUntil('records flow', () => this.acknowledged >= acknowledged && count(this.#consumed) >= consumed, {
      timeoutMs: 60_000,
      everyMs: 50,
    });
  }

  /**
   * Ends it and says what is wrong: nothing that was acknowledged may be missing or in another order, in the topic or at the
   * consumer. A producer that lost the answer to a batch sends it again before any other, so a batch may be there twice.
   */
  async end(): Promise<string[]> {
    this.#stopping = true;
    await this.#running;
    await waitUntil('everything is consumed', () => count(unique(this.#consumed)) >= this.acknowledged, {
      timeoutMs: 60_000,
    });
    const stored = new Map<string, number[]>(KEYS.map((key) => [key, []]));
    for (const { key, value } of await this.#bench.read(this.#topic.name))
      stored.get(key!.toString())!.push((JSON.parse(value!.toString()) as Numbered).n);
    const problems = this.#failures.map((failure) => `not acknowledged: ${String(failure)}`);
    for (const key of KEYS) {
      const acknowledged = this.#acknowledged.get(key)!;
      const wrong = (what: string, is: boolean): void => void (is && problems.push(`${key}: ${what}`));
      wrong(
        'acknowledged in another order',
        !isSame(
          acknowledged,
          acknowledged.toSorted((a, b) => a - b),
        ),
      );
      wrong('the topic has others, or another order', !isSame(unique(stored).get(key)!, acknowledged));
      wrong('the topic has an old record after a newer one', !repeatsBatchesOnly(stored.get(key)!));
      wrong('the consumer got others, or another order', !isSame(unique(this.#consumed).get(key)!, acknowledged));
    }
    return problems;
  }

  async #produce(): Promise<void> {
    while (!this.#stopping) {
      if (this.#inFlight < MOST_IN_FLIGHT) for (const key of KEYS) this.#send(key, this.#next++);
      await sleep(20);
    }
    await waitUntil('nothing is in flight', () => this.#inFlight === 0, { timeoutMs: DELIVERY_TIMEOUT_MS });
  }

  #send(key: string, n: number): void {
    this.#inFlight++;
    this.#producer
      .send(numbered(this.#topic, key, n))
      .then(
        () => void this.#acknowledged.get(key)!.push(n),
        (error: unknown) => void this.#failures.push(error),
      )
      .finally(() => this.#inFlight--);
  }

  async #consume(): Promise<void> {
    const consumed = this.#consumed;
    @Controller()
    class Events {
      @OnBatch(this.#topic)
      async take({ records }: EventBatch<Numbered>): Promise<void> {
        for (const { event, key } of records) consumed.get(key)!.push(event.data.n);
      }
    }
    await this.#bench.app(this.#bench.strategy(this.#producer, { group: 'bongsu.notification' }), [Events]);
  }
}

const count = (byKey: ReadonlyMap<string, readonly number[]>): number =>
  [...byKey.values()].reduce((sum, numbers) => sum + numbers.length, 0);

/** First occurrences, in their order. */
const unique = (byKey: ReadonlyMap<string, readonly number[]>): Map<string, number[]> =>
  new Map([...byKey].map(([key, numbers]) => [key, [...new Set(numbers)]]));

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, index) => value === b[index]);

/** Whether each step back begins a repetition of everything from there on, before anything new comes. */
export function repeatsBatchesOnly(numbers: readonly number[]): boolean {
  const seen: number[] = [];
  let at = 0;
  for (const n of numbers) {
    if (at < seen.length && n !== seen[at]) return false;
    if (at === seen.length && n <= (seen.at(-1) ?? -1)) at = seen.indexOf(n);
    if (at < 0) return false;
    if (at === seen.length) seen.push(n);
    at++;
  }
  return at === seen.length;
}
