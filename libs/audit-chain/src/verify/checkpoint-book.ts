import { KeyRing, type Opened, type SignedCheckpoint } from '../checkpoint/key-ring.js';
import { parseCheckpoint } from '../checkpoint/checkpoint.js';
import { parseNote } from '../checkpoint/note.js';
import type { VerifierKey } from '../checkpoint/verifier-key.js';
import { chainName } from '../record.js';
import type { Finding } from './chain-verifier.js';
import type { SignedState } from './signed-chain.js';

/** A row of the store's checkpoints. */
export interface CheckpointRow {
  readonly topic: string;
  readonly partition: number;
  readonly size: string;
  readonly root: Buffer;
  readonly note: string;
}

/** The most problems that are kept; all are counted. */
const MAX_FINDINGS = 100;

/**
 * Which checkpoints count: those signed by the keys that the verifier was given, or by a key that such a checkpoint names,
 * and so on. Without a key signatures are not looked at; roots are compared all the same, which tells what was changed by
 * accident, and by nobody who owns the store.
 */
export class CheckpointBook {
  readonly problems: Finding[] = [];
  problemCount = 0;
  readonly #ring: KeyRing;
  readonly #vouches: boolean;
  readonly #states = new Map<string, SignedState[]>();
  /** Notes that no key signed yet: one that comes later may name theirs. */
  #waiting: string[] = [];

  /** @param keys those that are trusted from the beginning; none to take every checkpoint at its word */
  constructor(keys: readonly VerifierKey[] = []) {
    this.#ring = new KeyRing(...keys);
    this.#vouches = keys.length > 0;
  }

  /** Whether what it says is vouched for by a key. */
  get vouches(): boolean {
    return this.#vouches;
  }

  /** Takes checkpoints that are kept outside of the trail; what they say is expected of it. */
  add(notes: Iterable<string>): void {
    // Not push(...): a call has no room for the notes of some weeks.
    for (const note of new Set(notes)) this.#waiting.push(note);
    this.learn(this.#waiting);
    this.#waiting = this.#waiting.filter((note) => {
      const opened = this.#open(note);
      if ('refused' in opened) return true;
      const chain = chainName(opened.topic, opened.partition);
      const states = this.#states.get(chain);
      if (states) states.push(stateIn(opened));
      else this.#states.set(chain, [stateIn(opened)]);
      return false;
    });
  }

  /** Follows only which keys the notes name. */
  learn(notes: Iterable<string>): void {
    this.#ring.learn(notes);
  }

  /** What a row of the store says, or undefined and a problem when it is not to be believed. */
  stateOf(row: CheckpointRow, topic: string, partition: number): SignedState | undefined {
    const opened = this.#open(row.note);
    const problem = (what: string): undefined => this.#problem(chainName(topic, partition), Number(row.size), what);
    if ('refused' in opened) return problem(refusal(opened.why));
    const same =
      opened.topic === topic &&
      opened.partition === partition &&
      opened.size === Number(row.size) &&
      opened.root.equals(row.root);
    return same ? stateIn(opened) : problem('the row of the checkpoint does not say what its note says');
  }

  /** What is expected of a chain; asked once. */
  take(chain: string): SignedState[] {
    const states = this.#states.get(chain) ?? [];
    this.#states.delete(chain);
    return states;
  }

  /** The chains that were not asked for, and how many records each should have. Ends the book. */
  left(): [chain: string, size: number][] {
    for (const note of this.#waiting.splice(0)) this.#refuse(note);
    return [...this.#states]
      .map(([chain, states]): [string, number] => [chain, Math.max(...states.map(({ size }) => size))])
      .filter(([, size]) => size > 0);
  }

  /** Lets go of the problems that were told, for who goes on with the same keys. */
  forget(): void {
    this.problems.length = 0;
    this.problemCount = 0;
  }

  #open(note: string): Opened {
    if (this.#vouches) return this.#ring.open(note);
    try {
      return { ...parseCheckpoint(parseNote(note).text), note, signers: [] };
    } catch (error) {
      return { refused: 'malformed', why: error instanceof Error ? error.message : String(error) };
    }
  }

  #refuse(note: string): void {
    const opened = this.#open(note);
    const why = 'refused' in opened ? opened.why : '';
    try {
      const { topic, partition, size } = parseCheckpoint(parseNote(note).text);
      this.#problem(chainName(topic, partition), size, refusal(why));
    } catch {
      this.#problem('checkpoint', 0, refusal(why));
    }
  }

  #problem(chain: string, sequence: number, what: string): undefined {
    this.problemCount++;
    if (this.problems.length < MAX_FINDINGS) this.problems.push({ chain, sequence, what });
    return undefined;
  }
}

const stateIn = ({ size, root, head }: Pick<SignedCheckpoint, 'size' | 'root' | 'head'>): SignedState => ({
  size,
  root,
  head,
});
const refusal = (why: string): string => `the checkpoint of this size does not count: ${why}`;
