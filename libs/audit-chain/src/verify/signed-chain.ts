import { CompactRange } from '../merkle/compact-range.js';
import { GENESIS } from '../record.js';
import { ChainVerifier, type Finding, type StoredRecord } from './chain-verifier.js';

/** What a checkpoint says of a chain, its signature checked by whoever made this of it. */
export interface SignedState {
  /** How many records the chain had. */
  readonly size: number;
  readonly root: Buffer;
  /** The linked hash of the last one, where the checkpoint says it. */
  readonly head?: Buffer | undefined;
}

/**
 * One chain and what was signed of it. The tree is grown from the records' own hashes, so that every checkpoint that
 * matches is an earlier state of the same chain: consistency between checkpoints needs no proofs where all records are.
 */
export class SignedChain {
  readonly chain: ChainVerifier;
  /** Checkpoints that matched. */
  checkpoints = 0;
  /** As far as checkpoints vouch for the chain. */
  signed = 0;

  readonly #tree = new CompactRange();
  readonly #waiting: SignedState[] = [];
  #next = 0;

  constructor(topic: string, partition: number) {
    this.chain = new ChainVerifier(topic, partition);
  }

  /** To be told before the record comes that is the last one of the state. */
  expect(states: readonly SignedState[]): void {
    this.#waiting.splice(0, this.#next);
    this.#next = 0;
    for (const state of states) this.#waiting.push(state);
    this.#waiting.sort((a, b) => a.size - b.size);
    this.#compare();
  }

  next(record: StoredRecord): void {
    this.chain.next(record);
    if (this.chain.broken) return;
    this.#tree.append(record.hash);
    this.#compare();
  }

  /** After the last record. */
  end(): void {
    const last = this.#waiting.at(-1);
    if (this.chain.broken || !last || last.size <= Number(this.chain.sequence)) return;
    this.chain.breaks(
      this.chain.sequence + 1n,
      `the chain ends here, and a checkpoint says that it had ${last.size} records: its end was cut off, or the store was rolled back`,
    );
  }

  get problems(): readonly Finding[] {
    return this.chain.problems;
  }

  #compare(): void {
    for (let state = this.#due(); state; state = this.#due()) {
      this.#next++;
      if (this.chain.broken) continue;
      if (this.#matches(state)) {
        this.checkpoints++;
        this.signed = state.size;
      } else this.#differs(state);
    }
  }

  #due(): SignedState | undefined {
    const state = this.#waiting[this.#next];
    return state && state.size <= Number(this.chain.sequence) ? state : undefined;
  }

  #matches({ size, root, head }: SignedState): boolean {
    const here = size === 0 ? GENESIS : this.chain.head;
    return size === this.#tree.size && this.#tree.root().equals(root) && (!head || here?.equals(head) === true);
  }

  #differs({ size }: SignedState): void {
    const from = this.signed + 1;
    const which = from >= size ? `record #${size} is` : `a record from #${from} to #${size} is`;
    this.chain.breaks(
      BigInt(Math.min(from, size)),
      `${which} not the one that was signed: the checkpoint of ${size} records has another root`,
    );
  }
}
