import { hashLeaf, rootOfFull, type HashAt } from '@bongsu/audit-chain';
import type { Query } from '@bongsu/audit-chain';
import { HASHES } from './sql/checkpoints.js';
import { INSERT_TILES, TILES } from './sql/tiles.js';

/** Hashes of a tile, and how many levels of the tree it spans. */
export const TILE_WIDTH = 256;
const TILE_LEVELS = 8;
const HASH_BYTES = 32;

export interface TreeOfChain {
  readonly query: Query;
  readonly topic: string;
  readonly partition: number;
}

/**
 * Stores tiles of leaves that stand side by side, and the tiles of the levels above that they fill. Writing what is there
 * already changes nothing.
 * @param first the index of the first tile
 * @param leaves hashes of leaves, a multiple of 256 of them
 */
export async function writeTiles(tree: TreeOfChain, first: number, leaves: readonly Buffer[]): Promise<void> {
  const tiles: Buffer[][] = [];
  for (let at = 0; at < leaves.length; at += TILE_WIDTH) tiles.push(leaves.slice(at, at + TILE_WIDTH));
  await insert(tree, 0, first, tiles);
  let [from, to] = [first, first + tiles.length];
  for (let level = 1; Math.floor(to / TILE_WIDTH) > Math.floor(from / TILE_WIDTH); level++) {
    [from, to] = [Math.floor(from / TILE_WIDTH), Math.floor(to / TILE_WIDTH)];
    for (let index = from; index < to; index++) {
      await insert(tree, level, index, [await rootsOfTiles(tree, level - 1, index * TILE_WIDTH, TILE_WIDTH)]);
    }
  }
}

async function insert(
  { query, topic, partition }: TreeOfChain,
  level: number,
  first: number,
  tiles: readonly (readonly Buffer[])[],
): Promise<void> {
  if (tiles.length === 0) return;
  const indexes = tiles.map((_, i) => first + i);
  const hashes = tiles.map((tile) => Buffer.concat(tile));
  await query(INSERT_TILES, [topic, partition, level, indexes, hashes]);
}

/** The roots of full tiles: as many hashes of the level above. */
async function rootsOfTiles(tree: TreeOfChain, level: number, first: number, count: number): Promise<Buffer[]> {
  const tiles = await read(tree, level, first, count);
  if (tiles.length !== count) throw new MissingNodes(tree, level, first);
  return tiles.map(({ hashes }) => rootOfFull(split(hashes)));
}

function read(
  { query, topic, partition }: TreeOfChain,
  level: number,
  first: number,
  count: number,
): Promise<{ index: string; hashes: Buffer }[]> {
  return query(TILES, [topic, partition, level, first, count]);
}

function split(hashes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < hashes.length; at += HASH_BYTES) parts.push(hashes.subarray(at, at + HASH_BYTES));
  return parts;
}

/** The store lacks what a checkpoint is of. */
export class MissingNodes extends Error {
  constructor({ topic, partition }: TreeOfChain, level: number, index: number) {
    super(`The tree of ${topic}/${partition} lacks nodes of level ${level} from ${index} on`);
  }
}

/**
 * Reads the nodes of a chain's tree: from the tile that holds the level, else, at the tree's edge where no tile is full,
 * from what is below it: tiles, and at the bottom the entries themselves.
 */
export const storedNodes =
  (tree: TreeOfChain): HashAt =>
  async (level, index) => {
    const tileLevel = Math.floor(level / TILE_LEVELS);
    const count = 2 ** (level % TILE_LEVELS);
    const first = index * count;
    const [tile] = await read(tree, tileLevel, Math.floor(first / TILE_WIDTH), 1);
    if (tile) {
      const at = first % TILE_WIDTH;
      return rootOfFull(split(tile.hashes).slice(at, at + count));
    }
    if (tileLevel > 0) return rootOfFull(await rootsOfTiles(tree, tileLevel - 1, first, count));
    const { query, topic, partition } = tree;
    const rows = await query<{ hash: Buffer }>(HASHES, [topic, partition, first + 1, first + count]);
    if (rows.length !== count) throw new MissingNodes(tree, 0, first);
    return rootOfFull(rows.map(({ hash }) => hashLeaf(hash)));
  };
