import { hash } from 'node:crypto';
import { HASH_BYTES } from '../record.js';

const LEAF = 0;
const NODE = 1;

/** The root of a tree without leaves (RFC 6962, 2.1). */
export const EMPTY_ROOT: Buffer = hash('sha256', Buffer.alloc(0), 'buffer');

/** RFC 6962, 2.1: SHA-256(0x00 || data). The first byte keeps a leaf from being passed off as a node. */
export function hashLeaf(data: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(1 + data.length);
  bytes[0] = LEAF;
  data.copy(bytes, 1);
  return hash('sha256', bytes, 'buffer');
}

export const isHash = (bytes: Buffer): boolean => bytes.length === HASH_BYTES;

/**
 * RFC 6962, 2.1: SHA-256(0x01 || left || right).
 * @throws RangeError unless both are 32 bytes: of shorter ones, what memory held before would be hashed with them, and of
 * longer ones only a part, so that many proofs would pass for one
 */
export function hashNode(left: Buffer, right: Buffer): Buffer {
  if (!isHash(left) || !isHash(right)) throw new RangeError(`A hash in a tree has ${HASH_BYTES} bytes`);
  const bytes = Buffer.allocUnsafe(1 + 2 * HASH_BYTES);
  bytes[0] = NODE;
  left.copy(bytes, 1);
  right.copy(bytes, 1 + HASH_BYTES);
  return hash('sha256', bytes, 'buffer');
}

/** The root of subtrees that stand side by side, the largest (leftmost) first. */
export const rootOfPeaks = (peaks: readonly Buffer[]): Buffer =>
  peaks.length === 0 ? EMPTY_ROOT : peaks.reduceRight((right, left) => hashNode(left, right));

/** The root of a full subtree from all its hashes of one level. @param hashes as many as a power of two */
export function rootOfFull(hashes: readonly Buffer[]): Buffer {
  let level = hashes;
  while (level.length > 1) {
    const above: Buffer[] = [];
    for (let i = 0; i + 1 < level.length; i += 2) above.push(hashNode(level[i]!, level[i + 1]!));
    level = above;
  }
  const [root] = level;
  if (!root) throw new RangeError('There is no subtree without hashes');
  return root;
}
