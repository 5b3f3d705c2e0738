import {
  ALL_TOPICS,
  DEAD_LETTER_RETENTION_MS,
  deadLetterTopic,
  REPLAY_GROUP,
  type TopicDeclaration,
} from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { Admin } from 'kafkajs';
import { ASK_BRIEFLY, KafkaConnection, type KafkaSettings } from '../cluster/connection.js';
import { groupIdOf } from '../consumer/strategy.js';
import type { RawOutgoingRecord } from '../producer/record.js';
import { letterOf, replayOf, type Letter } from './letter.js';
import { PartitionReader, type PartitionRange } from './partition-reader.js';
import { ReplayedOffsets } from './replayed-offsets.js';

/** Where a group's readers put what they cannot handle of a topic. All names are declared ones, without the prefix. */
export interface DeadLetterTopic {
  readonly name: string;
  readonly topic: string;
  readonly group: string;
}

export interface DeadLetterCount extends DeadLetterTopic {
  readonly records: number;
  /** Those of them that were not replayed. */
  readonly waiting: number;
}

export interface ReplayOptions {
  /** This one alone; all when left out. */
  readonly only?: { readonly partition: number; readonly offset: bigint } | undefined;
  /** Those too that were replayed before. */
  readonly again?: boolean | undefined;
  /** Change nothing; only say how many. */
  readonly dryRun?: boolean | undefined;
  /** Resolves when Kafka has all of them, in order. */
  readonly send: (records: readonly RawOutgoingRecord[]) => Promise<unknown>;
}

/** Records sent between two commits: as many may be replayed twice by one that dies in between. */
const BATCH = 500;

/** The dead-letter topics that there should be. */
export const deadLetterTopics = (topics: readonly TopicDeclaration[] = ALL_TOPICS): DeadLetterTopic[] =>
  topics.flatMap(({ name, readBy }) =>
    readBy.map(({ group }) => ({ name: deadLetterTopic(name, group), topic: name, group })),
  );

/**
 * Records that no service could handle: what there is, and back to where they came from. For operators, one at a time: two
 * replays of the same topic side by side would each send everything. Connects by itself; `close` ends the connection.
 */
export class DeadLetterTopics {
  readonly #settings: KafkaSettings;
  readonly #topics: readonly TopicDeclaration[];
  readonly #connection: KafkaConnection;
  readonly #now: () => number;
  #admin: Promise<Admin> | undefined;
  #reader: PartitionReader | undefined;

  constructor(options: {
    settings: KafkaSettings;
    logger: Logger;
    topics?: readonly TopicDeclaration[];
    now?: () => number;
  }) {
    this.#settings = options.settings;
    this.#topics = options.topics ?? ALL_TOPICS;
    this.#now = options.now ?? Date.now;
    this.#connection = new KafkaConnection({ ...options, clientId: 'bongsu-dead-letters', retry: ASK_BRIEFLY });
  }

  /** Every dead-letter topic that the cluster has. */
  async list(): Promise<DeadLetterCount[]> {
    const counts: DeadLetterCount[] = [];
    for (const topic of deadLetterTopics(this.#topics)) {
      const ranges = await this.#ranges(topic.name);
      if (ranges === undefined) continue;
      const replayed = await this.#replayed(topic.name);
      let [records, waiting] = [0n, 0n];
      for (const { partition, low, high } of ranges) {
        records += high - low;
        waiting += replayed.get(partition)?.missing(low, high) ?? high - low;
      }
      counts.push({ ...topic, records: Number(records), waiting: Number(waiting) });
    }
    return counts;
  }

  /** The newest `limit` letters of a dead-letter topic, the newest first. */
  async newest({ name }: DeadLetterTopic, limit: number): Promise<Letter[]> {
    const found: { letter: Letter; timestamp: bigint }[] = [];
    for (const range of await this.#existing(name)) {
      const from = range.high - BigInt(limit) > range.low ? range.high - BigInt(limit) : range.low;
      for await (const records of (await this.#connected()).reader.read(this.#prefixed(name), { ...range, low: from }))
        found.push(...records.map((raw) => ({ letter: letterOf(raw), timestamp: raw.timestamp })));
      // As many of each partition would be as much memory as there are partitions.
      found.sort((a, b) => Number(b.timestamp - a.timestamp) || Number(b.letter.offset - a.letter.offset));
      found.length = Math.min(found.length, limit);
    }
    return found.map(({ letter }) => letter);
  }

  /**
   * Sends letters back to the topic that they are of, each into the partition that it came from. What was replayed is
   * remembered in Kafka as offsets of the group `bongsu.replay`, after it was sent, so that doing it twice is doing it
   * once. Letters that are past their retention, and still there because Kafka drops them by segments, count as replayed:
   * what is remembered of them may be gone by now. Gives how many were sent, or would be. Rejects with the producer's
   * error; what was sent before that is remembered.
   */
  async replay(topic: DeadLetterTopic, options: ReplayOptions): Promise<{ replayed: number; before: number }> {
    const remembered = await this.#replayed(topic.name);
    const count = { replayed: 0, before: 0 };
    for (const range of this.#wanted(await this.#existing(topic.name), options)) {
      const replayed = remembered.get(range.partition) ?? new ReplayedOffsets(0n);
      for await (const letters of this.#letters(topic.name, range)) {
        const fresh = options.again ? letters : letters.filter((each) => !this.#isDone(each, replayed));
        count.before += letters.length - fresh.length;
        count.replayed += fresh.length;
        if (options.dryRun) continue;
        if (options.only) replayed.add(options.only.offset);
        else replayed.addUpTo(letters.at(-1)!.letter.offset);
        const state = replayed.committed();
        if (fresh.length > 0) await options.send(fresh.map(({ letter }) => replayOf(topic.topic, letter)));
        await this.#remember(topic.name, range.partition, state);
      }
    }
    return count;
  }

  close(): void {
    this.#connection.cut();
  }

  #isDone({ letter, timestamp }: Timed, replayed: ReplayedOffsets): boolean {
    return replayed.has(letter.offset) || Number(timestamp) < this.#now() - DEAD_LETTER_RETENTION_MS;
  }

  #wanted(ranges: readonly PartitionRange[], { only }: ReplayOptions): PartitionRange[] {
    if (!only) return ranges.filter(({ low, high }) => low < high);
    const { partition, offset } = only;
    const range = ranges.find((each) => each.partition === partition);
    if (!range || offset < range.low || offset >= range.high)
      throw new RangeError(`There is no record ${partition}/${offset} in it`);
    return [{ ...range, low: offset, high: offset + 1n }];
  }

  async *#letters(name: string, range: PartitionRange): AsyncGenerator<Timed[]> {
    const { reader } = await this.#connected();
    for await (const records of reader.read(this.#prefixed(name), range))
      for (let i = 0; i < records.length; i += BATCH)
        yield records.slice(i, i + BATCH).map((raw) => ({ letter: letterOf(raw), timestamp: raw.timestamp }));
  }

  async #existing(name: string): Promise<PartitionRange[]> {
    const ranges = await this.#ranges(name);
    if (!ranges) throw new RangeError(`There is no topic ${name}; bongsu topics apply makes it`);
    return ranges;
  }

  /** Undefined when the topic does not exist. */
  async #ranges(name: string): Promise<PartitionRange[] | undefined> {
    const { reader } = await this.#connected();
    return this.#connection.run(reader.ranges(this.#prefixed(name)));
  }

  async #replayed(name: string): Promise<Map<number, ReplayedOffsets>> {
    const { admin } = await this.#connected();
    const [found] = await this.#connection.run(
      admin.fetchOffsets({ groupId: groupIdOf(this.#settings, REPLAY_GROUP), topics: [this.#prefixed(name)] }),
    );
    return new Map(
      (found?.partitions ?? [])
        .filter(({ offset }) => BigInt(offset) >= 0n)
        .map(({ partition, offset, metadata }) => [partition, ReplayedOffsets.parse(offset, metadata)]),
    );
  }

  async #remember(name: string, partition: number, state: { offset: string; metadata: string }): Promise<void> {
    const { reader } = await this.#connected();
    const groupId = groupIdOf(this.#settings, REPLAY_GROUP);
    await this.#connection.run(reader.commit(groupId, this.#prefixed(name), partition, state));
  }

  async #connected(): Promise<{ admin: Admin; reader: PartitionReader }> {
    const { kafka } = this.#connection;
    this.#admin ??= (async () => {
      const admin = kafka.admin();
      await admin.connect();
      return admin;
    })();
    const admin = await this.#connection.run(this.#admin);
    this.#reader ??= new PartitionReader(kafka, admin);
    return { admin, reader: this.#reader };
  }

  #prefixed(name: string): string {
    return this.#settings.KAFKA_TOPIC_PREFIX + name;
  }
}

interface Timed {
  readonly letter: Letter;
  readonly timestamp: bigint;
}
