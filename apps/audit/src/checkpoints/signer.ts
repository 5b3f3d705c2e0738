import {
  chainHead,
  chainName,
  CompactRange,
  consistencyProof,
  formatCheckpoint,
  hashLeaf,
  KeyRing,
  LAST_RECORD,
  signNote,
  verifyConsistency,
  type HeadRow,
} from '@bongsu/audit-chain';
import type { Tx } from '@bongsu/persistence';
import type { Database } from '../database/database.js';
import type { CheckpointKeys } from './checkpoint-keys.js';
import {
  ANNOUNCEMENTS,
  HASHES,
  INSERT_CHECKPOINT,
  LOCK_ANNOUNCEMENT,
  NEWEST,
  TRY_LOCK,
  type CheckpointRow,
} from './sql/checkpoints.js';
import { MissingNodes, storedNodes, TILE_WIDTH, writeTiles, type TreeOfChain } from './tree-tiles.js';

/** Hashes read at a time: 64 tiles. */
const PAGE = 64 * TILE_WIDTH;
/** The most records that one checkpoint adds: a chain that was never signed is signed in steps, each a short transaction. */
const STEP = 1024 * TILE_WIDTH;

/** A state of a chain that is known from elsewhere, with a signature that holds. */
export interface KnownState {
  readonly size: number;
  readonly root: Buffer;
}

export interface Signed {
  readonly size: number;
  /** Records that this checkpoint leaves for the next. */
  readonly left: number;
}

/** The store contradicts what was signed before: it was rolled back or changed. Signing on would vouch for that. */
export class Refusal extends Error {}

interface State {
  readonly range: CompactRange;
  /** The linked hash of the last entry; undefined where none is signed. */
  readonly head: Buffer | undefined;
}

/**
 * Signs the state of one chain. The tree is grown on from the roots that the last checkpoint left, which must lead to the
 * root that was signed: so whatever happens to the store, each checkpoint extends the one before.
 */
export class Signer {
  readonly #database: Database;
  readonly #keys: CheckpointKeys;
  readonly #now: () => number;
  #announced: boolean;

  constructor(database: Database, keys: CheckpointKeys, now: () => number) {
    this.#database = database;
    this.#keys = keys;
    this.#now = now;
    this.#announced = keys.previous === undefined;
  }

  /** Whether the current key has still to be announced by the one before. */
  get announcing(): boolean {
    return !this.#announced;
  }

  /** Whether another replica, or this one before, has announced the key already. */
  async checkAnnounced(): Promise<void> {
    if (!this.#announced)
      this.#announced = this.#isAnnounced(await this.#database.query<{ note: string }>(ANNOUNCEMENTS));
  }

  /**
   * @param known a state that was signed before, by what is kept outside of the database
   * @returns undefined when there is nothing to sign, or another replica does just now
   * @throws Refusal when the store contradicts a checkpoint
   */
  async sign(topic: string, partition: number, known?: KnownState): Promise<Signed | undefined> {
    let announces = false;
    const signed = await this.#database.transaction(async (tx) => {
      const [lock] = await tx.query<{ locked: boolean }>(TRY_LOCK, [chainName(topic, partition)]);
      if (lock?.locked !== true) return undefined;
      const [newest] = await tx.query<CheckpointRow>(NEWEST, [topic, partition]);
      const [last] = await tx.query<HeadRow>(LAST_RECORD, [topic, partition]);
      const length = last ? Number(chainHead(last).sequence) : 0;
      const state = newest ? await this.#stateOf(tx, newest) : { range: new CompactRange(), head: undefined };
      const least = Math.max(state.range.size, known?.size ?? 0);
      if (length < least)
        throw new Refusal(
          `it has ${length} records, and a checkpoint was signed of ${least}: the store was rolled back, or its end cut off`,
        );
      const query = <R>(sql: string, values?: readonly unknown[]): Promise<R[]> => tx.query<R>(sql, values);
      const { range } = state;
      if (known) await expectEarlier({ query, topic, partition }, known, { size: range.size, root: range.root() });
      const to = Math.min(length, Math.max(least, state.range.size + STEP));
      if (to === state.range.size) return undefined;
      const grown = await grow(tx, { topic, partition, state, to, known });
      announces = await this.#write(tx, topic, partition, grown);
      return { size: to, left: length - to };
    });
    if (announces) this.#announced = true; // not before it is committed
    return signed;
  }

  /** The tree and the head of a checkpoint, its own signature checked. */
  async #stateOf(tx: Tx, row: CheckpointRow): Promise<State> {
    const ring = this.#keys.ring((await tx.query<{ note: string }>(ANNOUNCEMENTS)).map(({ note }) => note));
    const opened = ring.open(row.note);
    if ('refused' in opened)
      throw new Refusal(
        `its checkpoint of ${row.size} records is not one of ours: ${opened.why}; is AUDIT_PREVIOUS_SIGNING_KEY missing?`,
      );
    const range = treeOf(row);
    const here = opened.topic === row.topic && opened.partition === row.partition && opened.size === Number(row.size);
    if (!here || range.size !== opened.size || !range.root().equals(opened.root) || !row.root.equals(opened.root))
      throw new Refusal(`the row of its checkpoint of ${row.size} records does not say what was signed`);
    return { range, head: opened.head };
  }

  /** Writes the checkpoint; returns whether it is the one that announces the current key. */
  async #write(tx: Tx, topic: string, partition: number, { range, head }: State): Promise<boolean> {
    const { current, previous, log } = this.#keys;
    if (!current) throw new Error('There is no key to sign with');
    const announcing = previous !== undefined && (await this.#mustAnnounce(tx));
    const text = formatCheckpoint({
      log,
      topic,
      partition,
      size: range.size,
      root: range.root(),
      head,
      ...(announcing ? { nextKey: current.verifier, previousKey: previous.verifier } : {}),
    });
    // Signed by the new key, too: so that who begins with that one can believe what the older one signed.
    const note = announcing ? signNote(text, previous, current) : signNote(text, current);
    const values = [topic, partition, range.size, range.root(), range.serialise(), note, this.#now()];
    await tx.query(INSERT_CHECKPOINT, values);
    return announcing;
  }

  async #mustAnnounce(tx: Tx): Promise<boolean> {
    if (this.#announced) return false;
    await tx.query(LOCK_ANNOUNCEMENT);
    this.#announced = this.#isAnnounced(await tx.query<{ note: string }>(ANNOUNCEMENTS));
    return !this.#announced;
  }

  #isAnnounced(rows: readonly { note: string }[]): boolean {
    const { previous, current } = this.#keys;
    if (!previous || !current) return true;
    const trusting = new KeyRing(previous.verifier); // as somebody who was given that key alone
    trusting.learn(rows.map(({ note }) => note));
    return trusting.keys.some((key) => key.toString() === current.verifier.toString());
  }
}

function treeOf({ peaks, size }: CheckpointRow): CompactRange {
  try {
    return CompactRange.parse(peaks);
  } catch {
    throw new Refusal(`the row of its checkpoint of ${size} records holds no tree`);
  }
}

interface Growth {
  readonly topic: string;
  readonly partition: number;
  readonly state: State;
  readonly to: number;
  readonly known: KnownState | undefined;
}

/** Reads on from the last full tile, whose part that was signed before must be what was signed; stores the tiles that fill up. */
async function grow(tx: Tx, { topic, partition, state: { range, head }, to, known }: Growth): Promise<State> {
  const signed = range.size;
  const begin = signed - (signed % TILE_WIDTH);
  const part = new CompactRange(); // of the leaves behind the last full tile that are signed already
  let tile: Buffer[] = [];
  let last = head;
  let sequence = begin;
  for (let from = begin + 1; from <= to; from += PAGE) {
    const rows = await tx.query<{ sequence: string; hash: Buffer }>(HASHES, [
      topic,
      partition,
      from,
      Math.min(to, from + PAGE - 1),
    ]);
    for (const row of rows) {
      sequence++;
      if (Number(row.sequence) !== sequence)
        throw new Refusal(`its records are not one in each place from #${sequence} on`);
      const leaf = hashLeaf(row.hash);
      tile.push(leaf);
      if (sequence > signed) range.appendLeaf(leaf);
      else part.appendLeaf(leaf);
      last = row.hash;
      if (sequence === signed) expectSame(range, part, head, row.hash);
      // A smaller one was compared before: by now the tree is at least as large as what was signed last.
      if (sequence === known?.size && sequence >= signed && !range.root().equals(known.root))
        throw new Refusal(`its first ${sequence} records are not those of the checkpoint that was signed of them`);
    }
    const full = tile.length - (tile.length % TILE_WIDTH);
    const query = <R>(sql: string, values?: readonly unknown[]): Promise<R[]> => tx.query<R>(sql, values);
    await writeTiles({ query, topic, partition }, (sequence - tile.length) / TILE_WIDTH, tile.slice(0, full));
    tile = tile.slice(full);
  }
  if (sequence !== to) throw new Refusal(`its records end at #${sequence}, before its head`);
  return { range, head: last };
}

/** Without this, a tile could be stored with a record that was changed after it was signed, and no proof would hold. */
function expectSame(range: CompactRange, part: CompactRange, head: Buffer | undefined, hash: Buffer): void {
  const peaks = part.serialise().subarray(8);
  const signed = range.serialise();
  if ((head && !head.equals(hash)) || !signed.subarray(signed.length - peaks.length).equals(peaks))
    throw new Refusal(`records before #${range.size} are not those that were signed`);
}

/**
 * That a state is an earlier one of a tree whose root is signed, by a proof from the stored nodes. A store that was rolled
 * back and filled with other records shows so even when a replica that did not know of the state has signed them since.
 * A state that is not smaller than the tree is not looked at.
 * @throws Refusal when it is not
 */
export async function expectEarlier(tree: TreeOfChain, known: KnownState, { size, root }: KnownState): Promise<void> {
  if (known.size >= size) return;
  const proof = await consistencyProof(known.size, size, storedNodes(tree)).catch((error: unknown) => {
    if (error instanceof MissingNodes) throw new Refusal(error.message, { cause: error });
    throw error;
  });
  if (!verifyConsistency({ oldSize: known.size, oldRoot: known.root, size, root, proof }))
    throw new Refusal(
      `its checkpoint of ${size} records does not extend the one of ${known.size} that was signed before`,
    );
}
