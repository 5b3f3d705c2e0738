import { EMPTY_ROOT, hashNode, isHash, rootOfPeaks } from './tree-hash.js';

/**
 * The hash of the full subtree of 2^level leaves that begins at leaf index · 2^level; level 0 are the leaves' own hashes.
 * Only full subtrees within the tree are asked for.
 */
export type HashAt = (level: number, index: number) => Buffer | Promise<Buffer>;

/**
 * That a leaf is in a tree: PATH(index, D[size]) of RFC 6962, 2.1.1, the lowest sibling first.
 * @throws RangeError when there is no such leaf in a tree of this size
 */
export async function inclusionProof(index: number, size: number, hashAt: HashAt): Promise<Buffer[]> {
  if (!isSize(size) || !isSize(index) || index >= size) throw new RangeError(`There is no leaf ${index} of ${size}`);
  const siblings: Range[] = [];
  for (let [from, to] = [0, size]; to - from > 1;) {
    const middle = from + largestPowerBelow(to - from);
    siblings.push(index < middle ? [middle, to] : [from, middle]);
    [from, to] = index < middle ? [from, middle] : [middle, to];
  }
  return await rootsOf(siblings.toReversed(), hashAt);
}

/**
 * That a tree is an earlier state of another: PROOF(old, D[size]) of RFC 6962, 2.1.2. Empty for equal sizes, and for an old
 * size of 0, where there is nothing to prove.
 * @throws RangeError when the old size is the larger one
 */
export async function consistencyProof(old: number, size: number, hashAt: HashAt): Promise<Buffer[]> {
  if (!isSize(size) || !isSize(old) || old > size) throw new RangeError(`A tree of ${size} has no state of ${old}`);
  if (old === 0) return [];
  const ranges: Range[] = [];
  let [from, to] = [0, size];
  // Goes down to the subtree that ends where the old tree ended; its own hash is known to who knows the old root alone.
  while (to > old) {
    const middle = from + largestPowerBelow(to - from);
    ranges.push(old <= middle ? [middle, to] : [from, middle]);
    [from, to] = old <= middle ? [from, middle] : [middle, to];
  }
  if (from > 0) ranges.push([from, to]);
  return await rootsOf(ranges.toReversed(), hashAt);
}

export interface Inclusion {
  /** `hashLeaf` of the leaf's data. */
  readonly leaf: Buffer;
  readonly index: number;
  readonly size: number;
  readonly proof: readonly Buffer[];
  readonly root: Buffer;
}

/** Whether the leaf is in the tree with this root: RFC 9162, 2.1.3.2. */
export function verifyInclusion({ leaf, index, size, proof, root }: Inclusion): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (![leaf, ...proof].every(isHash)) return false;
  let [at, last, hash] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      hash = hashNode(sibling, hash);
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else hash = hashNode(hash, sibling);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && hash.equals(root);
}

export interface Consistency {
  readonly oldSize: number;
  readonly oldRoot: Buffer;
  readonly size: number;
  readonly root: Buffer;
  readonly proof: readonly Buffer[];
}

/** Whether the tree with the old root is an earlier state of the other: RFC 9162, 2.1.4.2. */
export function verifyConsistency({ oldSize, oldRoot, size, root, proof }: Consistency): boolean {
  if (!isSize(oldSize) || !isSize(size) || oldSize > size) return false;
  if (![oldRoot, root, ...proof].every(isHash)) return false;
  if (oldSize === size) return proof.length === 0 && oldRoot.equals(root);
  if (oldSize === 0) return proof.length === 0 && oldRoot.equals(EMPTY_ROOT);
  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : proof;
  let [at, last] = [oldSize - 1, size - 1];
  while (isOdd(at)) [at, last] = [half(at), half(last)];
  const [seed, ...rest] = path;
  if (!seed) return false;
  let [old, hash] = [seed, seed];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      old = hashNode(sibling, old);
      hash = hashNode(sibling, hash);
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else hash = hashNode(hash, sibling);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && old.equals(oldRoot) && hash.equals(root);
}

/** Leaves, from (inclusive) to (exclusive); begins where a subtree of at least its size begins. */
type Range = readonly [from: number, to: number];

async function rootsOf(ranges: readonly Range[], hashAt: HashAt): Promise<Buffer[]> {
  const roots: Buffer[] = [];
  for (const range of ranges) roots.push(await rootOf(range, hashAt));
  return roots;
}

async function rootOf([from, to]: Range, hashAt: HashAt): Promise<Buffer> {
  const peaks: Buffer[] = [];
  for (let at = from; at < to;) {
    const leaves = largestPowerUpTo(to - at);
    peaks.push(await hashAt(Math.log2(leaves), at / leaves));
    at += leaves;
  }
  return rootOfPeaks(peaks);
}

const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
// Not by bit operations, which see only 32 bits of a number.
const isOdd = (value: number): boolean => value % 2 === 1;
const half = (value: number): number => Math.floor(value / 2);

function largestPowerUpTo(value: number): number {
  let power = 1;
  while (power * 2 <= value) power *= 2;
  return power;
}

const largestPowerBelow = (value: number): number => largestPowerUpTo(value - 1);
const isPowerOfTwo = (value: number): boolean => largestPowerUpTo(value) === value;
