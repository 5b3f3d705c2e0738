import { BongsuError, GROUPS, TOPICS } from '@bongsu/contracts';
import type { KafkaPositions } from '@bongsu/kafka';
import type { Database } from '../database/database.js';
import type { Position } from '../notifications/recent-sends.js';
import { READ_POSITIONS } from './sql/positions.js';

/** How often the position is looked at while somebody waits, milliseconds. */
const LOOK_EVERY_MS = 15;
const REQUEST_TOPICS = [TOPICS.requests.urgent, TOPICS.requests.normal, TOPICS.requests.bulk].map(({ name }) => name);

/** Offsets that must have been passed, by `topic/partition`. */
type Offsets = ReadonlyMap<string, bigint>;

interface Waiter {
  readonly targets: Offsets;
  readonly deadline: number;
  readonly resolve: (reached: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** Tells how far the read model has come, and waits, within bounds, for it to come further. */
export class Freshness {
  private readonly database: Database;
  private readonly kafka: Pick<KafkaPositions, 'endOffsets' | 'committedOffsets'>;
  private waiters: Waiter[] = [];
  private looking = false;
  private asking: Promise<Offsets> | undefined;
  private askingNext: Promise<Offsets> | undefined;

  constructor(database: Database, kafka: Pick<KafkaPositions, 'endOffsets' | 'committedOffsets'>) {
    this.database = database;
    this.kafka = kafka;
  }

  /** Resolves with whether the read model has passed these records within the time. Rejects when the database is away. */
  passed(positions: readonly Position[], withinMs: number): Promise<boolean> {
    return this.reached(
      new Map(positions.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset + 1n])),
      withinMs,
    );
  }

  /**
   * Resolves with whether the read model has passed everything that was in the request topics when this was called.
   * Rejects with read_model_behind when Kafka cannot be asked how much that is.
   */
  async passedEverything(withinMs: number): Promise<boolean> {
    const deadline = Date.now() + withinMs;
    const ends = await this.endOffsets();
    if (await this.reached(ends, 0)) return true;
    // Records that were set aside as unreadable at the end of a partition leave the model's own position behind.
    const committed = await this.ask(() => this.kafka.committedOffsets(GROUPS.status, REQUEST_TOPICS));
    const left = new Map([...ends].filter(([name, end]) => (committed.get(name) ?? 0n) < end));
    return this.reached(left, deadline - Date.now());
  }

  /**
   * Where the request topics end. One question is under way at a time; who comes meanwhile shares the next one, since the
   * one under way may have been answered before their record was written.
   */
  private endOffsets(): Promise<Offsets> {
    if (!this.asking) return this.startAsking();
    this.askingNext ??= this.asking
      .catch(() => undefined)
      .then(() => {
        this.askingNext = undefined;
        return this.startAsking();
      });
    return this.askingNext;
  }

  private startAsking(): Promise<Offsets> {
    const asking = this.ask(() => this.kafka.endOffsets(REQUEST_TOPICS)).finally(() => {
      if (this.asking === asking) this.asking = undefined;
    });
    return (this.asking = asking);
  }

  private async ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (cause) {
      throw new BongsuError('read_model_behind', 'Kafka cannot be asked how much there is to read', { cause });
    }
  }

  private reached(targets: Offsets, withinMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.waiters.push({ targets, deadline: Date.now() + withinMs, resolve, reject });
      if (!this.looking) void this.look();
    });
  }

  /** One look serves all who wait; it goes on for as long as somebody does. */
  private async look(): Promise<void> {
    this.looking = true;
    while (this.waiters.length > 0) {
      const asked = this.waiters;
      this.waiters = [];
      try {
        const positions = await this.positions();
        for (const waiter of asked) {
          if (isPast(waiter.targets, positions)) waiter.resolve(true);
          else if (Date.now() >= waiter.deadline) waiter.resolve(false);
          else this.waiters.push(waiter);
        }
      } catch (error) {
        for (const waiter of asked) waiter.reject(error);
      }
      if (this.waiters.length > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    this.looking = false;
  }

  private async positions(): Promise<Offsets> {
    const rows = await this.database.query<{ topic: string; partition: number; nextOffset: string }>(READ_POSITIONS);
    return new Map(rows.map(({ topic, partition, nextOffset }) => [`${topic}/${partition}`, BigInt(nextOffset)]));
  }
}

const isPast = (targets: Offsets, positions: Offsets): boolean =>
  [...targets].every(([name, offset]) => (positions.get(name) ?? 0n) >= offset);
