import { HASH_BYTES } from '../record.js';
import { hashLeaf, hashNode, rootOfPeaks } from './tree-hash.js';

const SIZE_BYTES = 8;

/**
 * A Merkle tree that only grows, as small as it can be: the roots of its full subtrees, one for every bit of its size.
 * Leaves are hashed as RFC 6962 says. Half a kilobyte for any number of records that a chain will ever have.
 */
export class CompactRange {
  #size = 0;
  /** The largest, which is the leftmost, first. */
  readonly #peaks: Buffer[] = [];

  /** Leaves so far. */
  get size(): number {
    return this.#size;
  }

  /** @param data of the next leaf; for a chain, the linked hash of the next record */
  append(data: Buffer): void {
    this.appendLeaf(hashLeaf(data));
  }

  /** As `append`, for who has hashed the leaf already. */
  appendLeaf(leaf: Buffer): void {
    let right = leaf;
    // Not by bit operations, which see only 32 bits of a number.
    for (let full = this.#size; full % 2 === 1; full = (full - 1) / 2) right = hashNode(this.#peaks.pop()!, right);
    this.#peaks.push(right);
    this.#size++;
  }

  root(): Buffer {
    return rootOfPeaks(this.#peaks);
  }

  /** The size (64 bit, big endian) and the peaks, the largest first. */
  serialise(): Buffer {
    const size = Buffer.alloc(SIZE_BYTES);
    size.writeBigUInt64BE(BigInt(this.#size));
    return Buffer.concat([size, ...this.#peaks]);
  }

  /** @throws RangeError for bytes that `serialise` cannot have written */
  static parse(bytes: Buffer): CompactRange {
    if (bytes.length < SIZE_BYTES) throw new RangeError('A compact range begins with its size');
    const size = Number(bytes.readBigUInt64BE());
    if (!Number.isSafeInteger(size) || bytes.length !== SIZE_BYTES + peakCount(size) * HASH_BYTES)
      throw new RangeError('A compact range has one hash for every bit of its size');
    const range = new CompactRange();
    range.#size = size;
    for (let at = SIZE_BYTES; at < bytes.length; at += HASH_BYTES)
      range.#peaks.push(Buffer.from(bytes.subarray(at, at + HASH_BYTES)));
    return range;
  }
}

function peakCount(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}
