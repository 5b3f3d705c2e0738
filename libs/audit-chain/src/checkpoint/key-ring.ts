import { parseCheckpoint, type Checkpoint } from './checkpoint.js';
import { parseNote, verifyNote, type Note } from './note.js';
import type { VerifierKey } from './verifier-key.js';

/** A checkpoint that a trusted key signed. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: string;
  readonly signers: readonly VerifierKey[];
}

/** What became of a note: `unsigned` is one that no trusted key signed; `malformed` is none of a checkpoint. */
export type Opened = SignedCheckpoint | { readonly refused: 'unsigned' | 'malformed'; readonly why: string };

/**
 * The keys that are trusted: those one begins with, and those that a checkpoint announces (`next-key`) or names as its
 * predecessor (`previous-key`) under a signature by a key that is trusted already.
 */
export class KeyRing {
  readonly #keys = new Map<string, VerifierKey>();

  constructor(...keys: readonly VerifierKey[]) {
    for (const key of keys) this.#keys.set(String(key), key);
  }

  get keys(): VerifierKey[] {
    return [...this.#keys.values()];
  }

  /**
   * Follows the announcements among the notes, whatever their order; what is no checkpoint or has no trusted signature
   * is passed over.
   * @returns how many keys were new
   */
  learn(notes: Iterable<string>): number {
    let waiting = [...notes].filter((note) => /^(?:next|previous)-key /m.test(note));
    const before = this.#keys.size;
    for (let known = -1; known !== this.#keys.size;) {
      known = this.#keys.size;
      waiting = waiting.filter((note) => 'refused' in this.open(note));
    }
    return this.#keys.size - before;
  }

  /** Reads a note and checks its signatures; a trusted one's announcements are followed. */
  open(note: string): Opened {
    let parsed: Note;
    let checkpoint: Checkpoint;
    try {
      parsed = parseNote(note);
      checkpoint = parseCheckpoint(parsed.text);
    } catch (error) {
      return { refused: 'malformed', why: (error as Error).message };
    }
    // A key speaks for the log that it is named after: a test system's checkpoints say nothing of the real one's chains.
    const signers = verifyNote(parsed, this.#keys.values()).filter(({ name }) => name === checkpoint.log);
    if (signers.length === 0) return { refused: 'unsigned', why: 'no key that is trusted has signed it' };
    for (const key of [checkpoint.nextKey, checkpoint.previousKey])
      if (key?.name === checkpoint.log) this.#keys.set(String(key), key);
    return { ...checkpoint, note, signers };
  }
}
