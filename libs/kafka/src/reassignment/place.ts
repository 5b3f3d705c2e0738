/** A broker that may hold replicas. */
export interface BrokerPlace {
  readonly id: number;
  /** Replicas of a partition go to different racks as far as there are enough. */
  readonly rack: string | undefined;
}

/** On which brokers a partition is. The first is the preferred leader. */
export interface Placement {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly number[];
}

/** A partition that is to be elsewhere. */
export interface Move extends Placement {
  readonly from: readonly number[];
}

/** What cannot be done; the message is for the operator. */
export class CannotPlace extends Error {}

/**
 * Where partitions go so that they are on these brokers only, evenly: of each topic every broker holds (and leads) as
 * many partitions as any other, give or take one, and what can stay where it is stays. Partitions that need not move are
 * left out, so planning again after the moves gives nothing.
 * @param replicas how many each partition gets; default: as many as it has
 * @throws CannotPlace when there are too few brokers
 */
export function planMoves(
  placements: readonly Placement[],
  brokers: readonly BrokerPlace[],
  { replicas }: { replicas?: number | undefined } = {},
): Move[] {
  const spread = new Spread(brokers);
  const topics = Map.groupBy(placements, ({ topic }) => topic);
  const moves: Move[] = [];
  for (const topic of [...topics.keys()].toSorted()) {
    const partitions = (topics.get(topic) ?? []).toSorted((a, b) => a.partition - b.partition);
    const placed = spread.place(partitions.map((each) => ({ each, wanted: replicas ?? each.replicas.length })));
    partitions.forEach((each, index) => {
      const to = placed[index] ?? [];
      if (to.join() !== each.replicas.join()) moves.push({ ...each, from: each.replicas, replicas: to });
    });
  }
  return moves;
}

/** Whether data is copied for it; otherwise only the order, and so the preferred leader, or a replica less. */
export const copiesData = ({ from, replicas }: Move): boolean => replicas.some((id) => !from.includes(id));

type Count = Map<number, number>;
const of = (counts: Count, id: number): number => counts.get(id) ?? 0;
const add = (counts: Count, id: number, by: number): void => void counts.set(id, of(counts, id) + by);

class Spread {
  readonly #brokers: readonly BrokerPlace[];
  readonly #racks: ReadonlyMap<number, string>;
  /** Over all topics so far: decides where those of a topic leave the choice. */
  readonly #held: Count = new Map();
  readonly #led: Count = new Map();

  constructor(brokers: readonly BrokerPlace[]) {
    this.#brokers = brokers.toSorted((a, b) => a.id - b.id);
    this.#racks = new Map(brokers.map(({ id, rack }) => [id, rack || `broker ${id}`]));
  }

  /** The replicas of each partition of one topic. */
  place(partitions: readonly { each: Placement; wanted: number }[]): number[][] {
    const ids = new Set(this.#brokers.map(({ id }) => id));
    const held: Count = new Map();
    const placed = partitions.map(({ each, wanted }) => {
      if (wanted > ids.size)
        throw new CannotPlace(`${each.topic} has ${wanted} replicas, and there are ${ids.size} brokers to hold them`);
      const kept = each.replicas.filter((id) => ids.has(id)).slice(0, wanted);
      for (const id of kept) this.#hold(held, id, 1);
      return kept;
    });
    partitions.forEach(({ wanted }, index) => {
      const replicas = placed[index]!;
      while (replicas.length < wanted) {
        const id = this.#best(replicas, held);
        replicas.push(id);
        this.#hold(held, id, 1);
      }
    });
    this.#evenOut(placed, held);
    this.#evenOutLeaders(placed);
    return placed;
  }

  #hold(held: Count, id: number, by: number): void {
    add(held, id, by);
    add(this.#held, id, by);
  }

  /** The broker for one more replica: in a rack that has none yet, then the one that holds least. */
  #best(replicas: readonly number[], held: Count): number {
    const racks = new Set(replicas.map((id) => this.#racks.get(id)));
    const candidates = this.#brokers.map(({ id }) => id).filter((id) => !replicas.includes(id));
    const cost = (id: number): number[] => [
      racks.has(this.#racks.get(id)) ? 1 : 0,
      of(held, id),
      of(this.#held, id),
      id,
    ];
    return candidates.toSorted((a, b) => compare(cost(a), cost(b)))[0]!;
  }

  /** Moves single replicas from brokers that hold more to brokers that hold less, while it makes things more even. */
  #evenOut(placed: number[][], held: Count): void {
    for (let moved = true; moved;) {
      moved = false;
      for (const [from, to] of this.#pairs(held, this.#held)) {
        const replicas = placed.find((each) => each.includes(from) && this.#mayReplace(each, from, to));
        if (!replicas) continue;
        replicas[replicas.indexOf(from)] = to;
        this.#hold(held, from, -1);
        this.#hold(held, to, 1);
        moved = true;
        break;
      }
    }
  }

  #evenOutLeaders(placed: number[][]): void {
    const led: Count = new Map();
    const lead = (id: number, by: number): void => {
      add(led, id, by);
      add(this.#led, id, by);
    };
    for (const [leader] of placed) if (leader !== undefined) lead(leader, 1);
    for (let moved = true; moved;) {
      moved = false;
      for (const [from, to] of this.#pairs(led, this.#led)) {
        const replicas = placed.find((each) => each[0] === from && each.includes(to));
        if (!replicas) continue;
        replicas.unshift(...replicas.splice(replicas.indexOf(to), 1));
        lead(from, -1);
        lead(to, 1);
        moved = true;
        break;
      }
    }
  }

  /**
   * From whom to whom one would help: within the topic, or, when it is the same to the topic, over all. Each such step makes
   * the sum of squares smaller, so there is an end.
   */
  *#pairs(topic: Count, all: Count): Generator<readonly [from: number, to: number]> {
    const ids = this.#brokers.map(({ id }) => id);
    for (const from of ids.toSorted((a, b) => compare([of(topic, b), of(all, b)], [of(topic, a), of(all, a)])))
      for (const to of ids.toSorted((a, b) => compare([of(topic, a), of(all, a)], [of(topic, b), of(all, b)]))) {
        const [here, everywhere] = [of(topic, from) - of(topic, to), of(all, from) - of(all, to)];
        if (here >= 2 || (here === 1 && everywhere >= 2)) yield [from, to];
      }
  }

  #mayReplace(replicas: readonly number[], from: number, to: number): boolean {
    if (replicas.includes(to)) return false;
    const racks = (ids: readonly number[]): number => new Set(ids.map((id) => this.#racks.get(id))).size;
    return racks(replicas.map((id) => (id === from ? to : id))) >= racks(replicas);
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) if (value !== b[index]) return value - (b[index] ?? 0);
  return 0;
}
