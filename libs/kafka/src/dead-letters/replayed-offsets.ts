/** What Kafka keeps beside a committed offset, at most, is 4096 characters (`offset.metadata.max.bytes`). */
const MAX_METADATA = 4_000;
const METADATA = /^replayed:(\d+(-\d+)?(,\d+(-\d+)?)*)?$/;

/**
 * Which records of a partition were replayed: all before `next`, and single ones beyond it, which were chosen by hand. It is kept
 * as a group's committed offset, the single ones in the text that Kafka keeps with that.
 */
export class ReplayedOffsets {
  #next: bigint;
  readonly #beyond = new Set<bigint>();

  constructor(next: bigint, beyond: Iterable<bigint> = []) {
    this.#next = next;
    for (const offset of beyond) this.add(offset);
  }

  /** Reads what was committed; a text that is not ours says nothing. */
  static parse(offset: string, metadata: string | null): ReplayedOffsets {
    const next = BigInt(offset);
    const replayed = new ReplayedOffsets(next < 0n ? 0n : next);
    if (metadata === null || !METADATA.test(metadata)) return replayed;
    for (const range of metadata.slice('replayed:'.length).split(',').filter(Boolean)) {
      const [first, last = first] = range.split('-').map(BigInt) as [bigint, bigint?];
      for (let each = first; each <= last; each++) replayed.add(each);
    }
    return replayed;
  }

  /** Everything before it was replayed. */
  get next(): bigint {
    return this.#next;
  }

  has(offset: bigint): boolean {
    return offset < this.#next || this.#beyond.has(offset);
  }

  /** How many of the records from `low` to before `high` were not replayed. */
  missing(low: bigint, high: bigint): bigint {
    const from = low > this.#next ? low : this.#next;
    if (from >= high) return 0n;
    const singles = [...this.#beyond].filter((offset) => offset >= from && offset < high).length;
    return high - from - BigInt(singles);
  }

  add(offset: bigint): void {
    if (offset >= this.#next) this.#beyond.add(offset);
    this.#settle();
  }

  /** From the beginning up to and with this offset. */
  addUpTo(offset: bigint): void {
    if (offset >= this.#next) this.#next = offset + 1n;
    this.#settle();
  }

  /** What to commit. Throws a RangeError when too many single ones lie apart to be kept. */
  committed(): { offset: string; metadata: string } {
    const metadata = `replayed:${ranges([...this.#beyond].toSorted((a, b) => Number(a - b)))}`;
    if (metadata.length > MAX_METADATA)
      throw new RangeError('Too many single records were replayed to remember one more: replay all of them');
    return { offset: String(this.#next), metadata };
  }

  #settle(): void {
    while (this.#beyond.delete(this.#next)) this.#next++;
    for (const offset of this.#beyond) if (offset < this.#next) this.#beyond.delete(offset);
  }
}

/** `3,7-9` for 3, 7, 8, 9. */
function ranges(sorted: readonly bigint[]): string {
  const found: [bigint, bigint][] = [];
  for (const offset of sorted) {
    const last = found.at(-1);
    if (last && last[1] + 1n === offset) last[1] = offset;
    else found.push([offset, offset]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}
