import { isInfrastructureError } from './failure.js';

export interface GroupCommitOptions<T, R> {
  /** Writes the pieces in one transaction; gives for each, in their order, what its caller is told. */
  readonly commit: (pieces: readonly T[]) => Promise<readonly R[]>;
  /** Pieces of the same name are written one after the other. */
  readonly nameOf: (piece: T) => string;
  /** How large a piece is, in any unit. */
  readonly sizeOf: (piece: T) => number;
  /** A transaction that is as large gets no further piece. */
  readonly enough: () => number;
  /** Transactions under way at the same time, at most. Default 1. */
  readonly atOnce?: number;
  /** Called after each transaction, which took so long: the next waits until it resolves. */
  readonly rest?: (pieces: readonly T[], tookMs: number) => Promise<void>;
}

interface Waiting<T, R> {
  readonly piece: T;
  readonly resolve: (told: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: while a transaction is under way, what comes is gathered, and written together by the next. A transaction of a few
 * rows costs what dozens of rows cost, in trips to the database and in what it has to flush.
 */
export class GroupCommit<T, R = void> {
  readonly #options: GroupCommitOptions<T, R>;
  #waiting: Waiting<T, R>[] = [];
  readonly #underWay = new Set<string>();
  #running = 0;

  constructor(options: GroupCommitOptions<T, R>) {
    this.#options = options;
  }

  /**
   * Resolves when the piece is committed. Rejects with what its transaction failed with: one that failed on several pieces, and for
   * what they hold, is taken apart, so that a piece fails for what it holds itself.
   */
  add(piece: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ piece, resolve, reject });
      if (this.#running < (this.#options.atOnce ?? 1)) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running++;
    try {
      // What is handed in by the same turn of the event loop belongs together.
      await new Promise(setImmediate);
      // What is left then has a name that is under way: who writes that goes on with it.
      for (let group = this.#takeGroup(); group.length > 0; group = this.#takeGroup()) await this.#write(group);
    } finally {
      this.#running--;
    }
  }

  async #write(group: readonly Waiting<T, R>[]): Promise<void> {
    const began = performance.now();
    await this.#commit(group);
    for (const { piece } of group) this.#underWay.delete(this.#options.nameOf(piece));
    await this.#options.rest?.(piecesOf(group), performance.now() - began);
  }

  #takeGroup(): Waiting<T, R>[] {
    const { nameOf, sizeOf, enough } = this.#options;
    const group: Waiting<T, R>[] = [];
    const left: Waiting<T, R>[] = [];
    const most = enough();
    let size = 0;
    for (const each of this.#waiting) {
      const name = nameOf(each.piece);
      if (size >= most || this.#underWay.has(name)) {
        left.push(each);
        continue;
      }
      group.push(each);
      this.#underWay.add(name);
      size += sizeOf(each.piece);
    }
    this.#waiting = left;
    return group;
  }

  async #commit(group: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const told = await this.#options.commit(piecesOf(group));
      for (const [i, { resolve }] of group.entries()) resolve(told[i]!);
    } catch (error) {
      if (group.length > 1 && !isInfrastructureError(error)) for (const each of group) await this.#commit([each]);
      else for (const { reject } of group) reject(error);
    }
  }
}

const piecesOf = <T>(group: readonly { readonly piece: T }[]): T[] => group.map(({ piece }) => piece);
