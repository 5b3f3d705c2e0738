import { CONSUMER, READ_COMMITTED, type LowLevelCluster } from '../cluster/low-level.js';
import { nameOf, type PartitionRange, type Positions } from './positions.js';

/** How far a group is behind in a partition. */
export interface Unread {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  /** The offset that it reads next. */
  readonly position: bigint;
  readonly records: bigint;
  /** Age of the oldest of them, seconds; undefined when it cannot be read. */
  readonly seconds: number | undefined;
}

/** Fetches at the same time; each answers with one batch. */
const AT_ONCE = 8;

/**
 * How old the oldest unread record of each group and partition is. Costs a fetch of one batch for each place where a group
 * stands still or is behind by more than the time between two looks, and remembers what it has fetched: nothing for groups
 * that keep up, nothing more for one that is dead.
 */
export class UnreadRecords {
  /** Written when, milliseconds, by partition and offset. Only what the last look has needed. */
  #written = new Map<string, number>();
  /** Where partitions ended at the last look, by their name. */
  #ends = new Map<string, bigint>();

  async look(cluster: LowLevelCluster, positions: Positions, nowMs: number): Promise<Unread[]> {
    const places = placesOf(positions);
    const old = new Set(places.filter(({ range, position }) => this.#isOld(range, position)));
    const written = await this.#timestamps(cluster, [...old]);
    this.#written = written;
    this.#ends = new Map([...positions.ranges].map(([name, { high }]) => [name, high]));
    return places.map((place) => {
      const { group, range, position, from } = place;
      const { topic, partition, high } = range;
      const at = written.get(keyOf(range, from));
      // A clock that is ahead, or a record from the year 9999, is not unread since before now.
      const age = at === undefined ? undefined : Math.max(0, (nowMs - at) / 1000);
      const seconds = old.has(place) ? age : 0;
      return { group, topic, partition, position, records: high - from, seconds };
    });
  }

  /** Whether its first unread record was there at the last look already, or there was no last look. */
  #isOld(range: PartitionRange, position: bigint): boolean {
    if (position >= range.high) return false;
    const end = this.#ends.get(nameOf(range.topic, range.partition));
    return end === undefined || position < end;
  }

  async #timestamps(cluster: LowLevelCluster, places: readonly Place[]): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    const asked = new Map<string, Place>();
    for (const place of places) {
      const key = keyOf(place.range, place.from);
      const known = this.#written.get(key);
      if (known === undefined) asked.set(key, place);
      else found.set(key, known);
    }
    const waiting = [...asked];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const [key, { range, from }] = next;
        const at = await timestampAt(cluster, range, from).catch(() => undefined);
        if (at !== undefined) found.set(key, at);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return found;
  }
}

interface Place {
  readonly group: string;
  readonly range: PartitionRange;
  readonly position: bigint;
  /** The first unread record that is still there: retention may have passed the position. */
  readonly from: bigint;
}

function placesOf({ groups, ranges }: Positions): Place[] {
  return groups.flatMap(({ group, committed }) =>
    [...committed].flatMap(([name, position]) => {
      const range = ranges.get(name);
      // The topic was deleted, or made anew and shorter than what was committed.
      if (!range) return [];
      const from = position < range.low ? range.low : position > range.high ? range.high : position;
      return [{ group, range, position, from }];
    }),
  );
}

const keyOf = ({ topic, partition }: PartitionRange, offset: bigint): string => `${topic}/${partition}/${offset}`;

/** When the record at the offset (or the next one that compaction has left) was written. */
async function timestampAt(
  cluster: LowLevelCluster,
  { topic, partition, leader }: PartitionRange,
  offset: bigint,
): Promise<number | undefined> {
  const broker = await cluster.findBroker({ nodeId: leader });
  const { responses } = await broker.fetch({
    replicaId: CONSUMER,
    isolationLevel: READ_COMMITTED,
    maxWaitTime: 0,
    minBytes: 0,
    // Less than any batch: Kafka answers with exactly one.
    maxBytes: 1,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: 1 }] }],
  });
  const messages = responses[0]?.partitions[0]?.messages ?? [];
  const first = messages.find((message) => BigInt(message.offset) >= offset);
  return first && Number(first.timestamp);
}
