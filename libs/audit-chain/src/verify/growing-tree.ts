import { hash } from 'node:crypto';

const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);
const sha256 = (...parts: Buffer[]): Buffer => hash('sha256', Buffer.concat(parts), 'buffer');

/**
 * The Merkle tree of RFC 6962 over a chain's hashes, as far as it takes to tell its root: the roots of the full subtrees,
 * the largest first, as many as the size has bits set. Two hashes per entry on average.
 */
export class GrowingTree {
  size = 0n;
  readonly #peaks: Buffer[] = [];

  append(entry: Buffer): void {
    let peak = sha256(LEAF, entry);
    for (let full = this.size; full & 1n; full >>= 1n) peak = sha256(NODE, this.#peaks.pop()!, peak);
    this.#peaks.push(peak);
    this.size++;
  }

  root(): Buffer {
    return this.#peaks.length === 0 ? sha256() : this.#peaks.reduceRight((right, left) => sha256(NODE, left, right));
  }
}
