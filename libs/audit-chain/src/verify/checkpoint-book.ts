import { chainName } from '../record.js';
import type { Finding } from './chain-verifier.js';
import { parseSignedNote, readCheckpoint, VerifierKey, type CheckpointText, type SignedNote } from './note.js';
import type { SignedState } from './signed-chain.js';

/** A row of the store's checkpoints. */
export interface CheckpointRow {
  readonly topic: string;
  readonly partition: number;
  readonly size: string;
  readonly root: Buffer;
  readonly note: string;
}

interface Entry extends CheckpointText {
  readonly note: SignedNote;
}

/**
 * Which checkpoints count: those signed by the one key that the verifier was given, or by a key that such a checkpoint
 * announces, and so on. Without a key signatures are not looked at, which the report says; roots are compared all the same.
 */
export class CheckpointBook {
  readonly problems: Finding[] = [];
  readonly #keys: VerifierKey[];
  readonly #trusting: boolean;
  readonly #states = new Map<string, SignedState[]>();
  /** Notes that no key signed yet: one that comes later may announce theirs. */
  #waiting: Entry[] = [];

  /** @param keys those that are trusted from the beginning; none to take every checkpoint at its word */
  constructor(keys: readonly VerifierKey[] = []) {
    this.#keys = [...keys];
    this.#trusting = keys.length === 0;
  }

  /** Whether what it says is vouched for by a key. */
  get vouches(): boolean {
    return !this.#trusting;
  }

  /** Takes checkpoints that are kept outside of the trail; what they say is expected of it. */
  add(notes: Iterable<string>): void {
    const entries = new Set(notes);
    this.#waiting.push(...[...entries].flatMap((note) => this.#parsed(note) ?? []));
    this.#settle();
  }

  /** Takes over only which keys are announced. */
  learn(notes: readonly string[]): void {
    const entries = notes.flatMap((note) => {
      try {
        const parsed = parseSignedNote(note);
        return [{ ...readCheckpoint(parsed.text), note: parsed }];
      } catch {
        return []; // told where it stands
      }
    });
    for (let left = entries; ;) {
      const still = left.filter((entry) => !this.#isSigned(entry));
      if (still.length === left.length) break;
      left = still;
    }
    this.#settle();
  }

  /** What a row of the store says, or undefined and a problem when it is not to be believed. */
  stateOf(row: CheckpointRow, topic: string, partition: number): SignedState | undefined {
    const chain = chainName(topic, partition);
    const entry = this.#parsed(row.note, { chain, sequence: Number(row.size) });
    if (!entry) return undefined;
    const same = entry.chain === chain && entry.size === BigInt(row.size) && entry.root.equals(row.root);
    if (!same) this.#problem(chain, BigInt(row.size), 'the row of the checkpoint does not say what its note says');
    else if (!this.#isSigned(entry)) this.#problem(chain, entry.size, UNSIGNED);
    else return entry;
    return undefined;
  }

  /** What is expected of a chain; asked once. */
  take(chain: string): SignedState[] {
    const states = this.#states.get(chain) ?? [];
    this.#states.delete(chain);
    return states;
  }

  /** The chains that were not asked for, and how many records each should have. Ends the book. */
  left(): [chain: string, size: bigint][] {
    for (const { chain, size } of this.#waiting.splice(0)) this.#problem(chain, size, UNSIGNED);
    return [...this.#states]
      .map(([chain, states]): [string, bigint] => [
        chain,
        states.reduce((max, { size }) => (size > max ? size : max), 0n),
      ])
      .filter(([, size]) => size > 0n);
  }

  #parsed(note: string, place = { chain: 'checkpoint', sequence: 0 }): Entry | undefined {
    try {
      const signed = parseSignedNote(note);
      return { ...readCheckpoint(signed.text), note: signed };
    } catch (error) {
      this.problems.push({ ...place, what: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }

  #settle(): void {
    for (let before = -1; before !== this.#waiting.length;) {
      before = this.#waiting.length;
      this.#waiting = this.#waiting.filter((entry) => {
        if (!this.#isSigned(entry)) return true;
        const { chain, size, root, head } = entry;
        const states = this.#states.get(chain);
        if (states) states.push({ size, root, head });
        else this.#states.set(chain, [{ size, root, head }]);
        return false;
      });
    }
  }

  #isSigned({ note, nextKeys }: Entry): boolean {
    if (this.#trusting) return true;
    if (!this.#keys.some((key) => key.signed(note))) return false;
    for (const text of nextKeys) if (!this.#keys.some((key) => key.text === text)) this.#trust(text);
    return true;
  }

  #trust(text: string): void {
    try {
      this.#keys.push(new VerifierKey(text));
    } catch {
      // Signed by a key that is trusted, and no key: what it should have signed will say that it is not trusted.
    }
  }

  #problem(chain: string, size: bigint, what: string): void {
    this.problems.push({ chain, sequence: Number(size), what });
  }
}

const UNSIGNED = 'the checkpoint of this size is not signed by a key that is trusted';
