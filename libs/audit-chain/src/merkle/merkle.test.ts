import { array, assert, asyncProperty, integer, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompactRange } from './compact-range.js';
import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion, type HashAt } from './proofs.js';
import { EMPTY_ROOT, hashLeaf, hashNode, rootOfFull } from './tree-hash.js';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** Leaves, roots and proofs of the reference tests of Certificate Transparency (merkle_tree_test.cc). */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  hex,
);
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
].map(hex);

/** The definition of RFC 6962, 2.1, word for word: nothing to be clever about. */
function naiveRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return hashLeaf(leaves[0]!);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return hashNode(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

const hashesOf =
  (leaves: readonly Buffer[]): HashAt =>
  (level, index) => {
    const part = leaves.slice(index * 2 ** level, (index + 1) * 2 ** level);
    expect(part).toHaveLength(2 ** level); // only full subtrees may be asked for: others change
    return naiveRoot(part);
  };

const rangeOf = (leaves: readonly Buffer[]): CompactRange => {
  const range = new CompactRange();
  for (const leaf of leaves) range.append(leaf);
  return range;
};
const numbered = (count: number): Buffer[] => Array.from({ length: count }, (_, i) => Buffer.from(String(i)));
const flipped = (bytes: Buffer, bit: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[Math.floor(bit / 8)]! ^= 1 << (bit % 8);
  return copy;
};

describe('the tree', () => {
  it.each(ROOTS.map((root, size) => ({ root, size })))('of $size reference leaves has the root', ({ root, size }) => {
    expect(rangeOf(LEAVES.slice(0, size)).root()).toEqual(root);
  });

  it('has the proofs of the reference tests', async () => {
    const hashAt = hashesOf(LEAVES);
    expect(await consistencyProof(6, 8, hashAt)).toEqual(
      [
        '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ].map(hex),
    );
    expect(await consistencyProof(2, 5, hashAt)).toEqual(
      [
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      ].map(hex),
    );
    expect(await inclusionProof(2, 3, hashAt)).toEqual([ROOTS[2]]);
  });

  it('is the one of the definition, for any leaves, and goes on from what was written down', () => {
    assert(
      property(array(uint8Array({ maxLength: 40 }), { maxLength: 80 }), integer({ min: 0, max: 80 }), (data, cut) => {
        const leaves = data.map((each) => Buffer.from(each));
        const resumed = CompactRange.parse(rangeOf(leaves.slice(0, cut)).serialise());
        for (const leaf of leaves.slice(cut)) resumed.append(leaf);
        expect(resumed.size).toBe(leaves.length);
        expect(resumed.root()).toEqual(naiveRoot(leaves));
      }),
    );
  });

  it('keeps its word beyond 32 bits', () => {
    const size = 2 ** 33 + 1;
    const range = CompactRange.parse(Buffer.concat([hex('0000000200000001'), ROOTS[1]!, ROOTS[2]!]));
    range.appendLeaf(ROOTS[3]!);
    expect(range.size).toBe(size + 1);
    expect(range.root()).toEqual(hashNode(ROOTS[1]!, hashNode(ROOTS[2]!, ROOTS[3]!)));
    const peaks = numbered(33).map(hashLeaf);
    const full = CompactRange.parse(Buffer.concat([hex('00000001ffffffff'), ...peaks]));
    full.appendLeaf(ROOTS[1]!);
    expect(full.serialise()).toEqual(
      Buffer.concat([hex('0000000200000000'), peaks.reduceRight((right, left) => hashNode(left, right), ROOTS[1]!)]),
    );
  });

  it('refuses what is no compact range', () => {
    for (const bytes of ['', '00000000000000', '0000000000000001', 'ffffffffffffffff'])
      expect(() => CompactRange.parse(hex(bytes))).toThrow(RangeError);
  });

  it('has for a full subtree the root of its hashes', () => {
    expect(rootOfFull(LEAVES.map(hashLeaf))).toEqual(ROOTS[8]);
    expect(() => rootOfFull([])).toThrow(RangeError);
  });
});

describe('proofs', () => {
  it('of every leaf of every tree up to 40 verify, and of no other place, leaf or tree', async () => {
    const leaves = numbered(40);
    for (let size = 1; size <= leaves.length; size++) {
      const root = naiveRoot(leaves.slice(0, size));
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(index, size, hashesOf(leaves.slice(0, size)));
        const claim = { leaf: hashLeaf(leaves[index]!), index, size, proof, root };
        expect(verifyInclusion(claim)).toBe(true);
        expect(verifyInclusion({ ...claim, leaf: hashLeaf(Buffer.from('other')) })).toBe(false);
        expect(verifyInclusion({ ...claim, proof: [...proof, root] })).toBe(false);
        if (proof.length > 0) expect(verifyInclusion({ ...claim, proof: proof.slice(1) })).toBe(false);
        for (let other = 0; other < size; other++)
          if (other !== index) expect(verifyInclusion({ ...claim, index: other })).toBe(false);
      }
    }
  });

  it('that a tree extends another verify for every pair of sizes up to 40, and for no other roots', async () => {
    const leaves = numbered(40);
    const roots = Array.from({ length: 41 }, (_, size) => naiveRoot(leaves.slice(0, size)));
    for (let size = 0; size <= 40; size++) {
      for (let oldSize = 0; oldSize <= size; oldSize++) {
        const proof = await consistencyProof(oldSize, size, hashesOf(leaves.slice(0, size)));
        const claim = { oldSize, oldRoot: roots[oldSize]!, size, root: roots[size]!, proof };
        expect(verifyConsistency(claim)).toBe(true);
        const wrong = hashLeaf(Buffer.from('wrong'));
        expect(verifyConsistency({ ...claim, oldRoot: wrong })).toBe(false);
        if (oldSize > 0) expect(verifyConsistency({ ...claim, root: wrong })).toBe(false);
        expect(verifyConsistency({ ...claim, proof: [...proof, wrong] })).toBe(false);
        if (proof.length > 0) expect(verifyConsistency({ ...claim, proof: proof.slice(1) })).toBe(false);
      }
    }
  });

  it('do not verify with any bit changed', async () => {
    await assert(
      asyncProperty(
        integer({ min: 2, max: 200 }),
        integer({ min: 0, max: 199 }),
        integer({ min: 0, max: 255 }),
        async (size, place, bit) => {
          const leaves = numbered(size);
          const index = place % size;
          const root = naiveRoot(leaves);
          const proof = await inclusionProof(index, size, hashesOf(leaves));
          const claim = { leaf: hashLeaf(leaves[index]!), index, size, proof, root };
          const changed = place % proof.length;
          expect(verifyInclusion(claim)).toBe(true);
          expect(
            verifyInclusion({ ...claim, proof: proof.map((each, i) => (i === changed ? flipped(each, bit) : each)) }),
          ).toBe(false);
          expect(verifyInclusion({ ...claim, root: flipped(root, bit) })).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([0, 31, 33, 64])('do not verify with a hash of %i bytes, whatever its first 32 are', (length) => {
    const [left, right] = [hashLeaf(LEAVES[0]!), hashLeaf(LEAVES[1]!)];
    const resized = (hash: Buffer): Buffer => Buffer.concat([hash, Buffer.alloc(32)]).subarray(0, length);
    const root = ROOTS[2]!;
    expect(verifyInclusion({ leaf: left, index: 0, size: 2, proof: [right], root })).toBe(true);
    expect(verifyInclusion({ leaf: left, index: 0, size: 2, proof: [resized(right)], root })).toBe(false);
    expect(verifyInclusion({ leaf: right, index: 1, size: 2, proof: [resized(left)], root })).toBe(false);
    expect(verifyInclusion({ leaf: resized(left), index: 0, size: 2, proof: [right], root })).toBe(false);
    const claim = { oldSize: 1, oldRoot: left, size: 2, root };
    expect(verifyConsistency({ ...claim, proof: [right] })).toBe(true);
    expect(verifyConsistency({ ...claim, proof: [resized(right)] })).toBe(false);
    expect(verifyConsistency({ ...claim, oldRoot: resized(left), proof: [right] })).toBe(false);
    expect(verifyConsistency({ ...claim, oldSize: 2, oldRoot: resized(root), root: resized(root), proof: [] })).toBe(
      false,
    );
    expect(() => hashNode(resized(left), right)).toThrow(RangeError);
    expect(() => hashNode(left, resized(right))).toThrow(RangeError);
  });

  it('are refused for what there cannot be', async () => {
    const hashAt = hashesOf(LEAVES);
    await expect(inclusionProof(8, 8, hashAt)).rejects.toThrow(RangeError);
    await expect(inclusionProof(-1, 8, hashAt)).rejects.toThrow(RangeError);
    await expect(consistencyProof(9, 8, hashAt)).rejects.toThrow(RangeError);
    expect(verifyInclusion({ leaf: ROOTS[1]!, index: 0.5, size: 1, proof: [], root: ROOTS[1]! })).toBe(false);
    expect(verifyConsistency({ oldSize: 3, oldRoot: ROOTS[3]!, size: 2, root: ROOTS[2]!, proof: [ROOTS[1]!] })).toBe(
      false,
    );
  });
});
