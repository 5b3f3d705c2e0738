import { chainName } from '../record.js';
import { CheckpointBook } from './checkpoint-book.js';
import type { Finding, StoredRecord } from './chain-verifier.js';
import type { VerifyReport } from './report.js';
import { SignedChain } from './signed-chain.js';

/** The most problems and notices that are kept of everything but single chains, which have limits of their own. */
const MAX_FINDINGS = 100;

/**
 * Verifies a trail whose records come chain by chain, from wherever: an export, a database, a service. What every chain
 * comes to is added up; memory holds one chain's state and the findings.
 */
export class TrailVerifier {
  readonly #book: CheckpointBook;
  readonly #seen = new Set<string>();
  readonly #problems: Finding[] = [];
  readonly #notices: Finding[] = [];
  #current: SignedChain | undefined;
  #problemCount = 0;
  #records = 0;
  #checkpoints = 0;

  /** @param book what was signed, as far as it is known before the records; its problems become the report's */
  constructor(book: CheckpointBook) {
    this.#book = book;
  }

  /** The chain at hand, for who has more to say about it. */
  get current(): SignedChain | undefined {
    return this.#current;
  }

  /** Records so far. */
  get records(): number {
    return this.#records + (this.#current?.chain.records ?? 0);
  }

  /** Checkpoints that matched, of the chains that have ended. */
  get checkpoints(): number {
    return this.#checkpoints;
  }

  /** Ends the chain before. To be called for a chain that has no records, too. */
  begin(topic: string, partition: number): SignedChain {
    this.endChain();
    const chain = new SignedChain(topic, partition);
    const name = chain.chain.chain;
    chain.expect(this.#book.take(name));
    if (this.#seen.has(name)) chain.chain.breaks(1n, 'the records of this chain do not stand together');
    this.#seen.add(name);
    this.#current = chain;
    return chain;
  }

  next(record: StoredRecord): void {
    const chain =
      this.#current?.chain.chain === chainName(record.topic, record.partition)
        ? this.#current
        : this.begin(record.topic, record.partition);
    chain.next(record);
  }

  /** Something that is wrong and is no record. */
  problem(finding: Finding): void {
    this.#problemCount++;
    if (this.#problems.length < MAX_FINDINGS) this.#problems.push(finding);
  }

  notice(finding: Finding): void {
    if (this.#notices.length < MAX_FINDINGS) this.#notices.push(finding);
  }

  endChain(): void {
    const ended = this.#current;
    if (!ended) return;
    ended.end();
    const { chain } = ended;
    this.#records += chain.records;
    this.#checkpoints += ended.checkpoints;
    this.#problemCount += chain.problemCount;
    this.#problems.push(...chain.problems);
    this.#notices.push(...chain.notices);
    if (this.#book.vouches && !chain.broken && ended.signed < Number(chain.sequence))
      this.#notices.push({
        chain: chain.chain,
        sequence: ended.signed + 1,
        what: `from here to #${chain.sequence} nothing is signed by a checkpoint yet`,
      });
    this.#current = undefined;
  }

  /** After the last record. */
  report(): VerifyReport {
    this.endChain();
    for (const [chain, size] of this.#book.left())
      this.problem({
        chain,
        sequence: 1,
        what: `the chain is not there; a checkpoint says that it had ${size} records`,
      });
    this.#problems.push(...this.#book.problems);
    this.#problemCount += this.#book.problemCount;
    return {
      ok: this.#problemCount === 0,
      records: this.#records,
      chains: this.#seen.size,
      checkpoints: this.#checkpoints,
      problems: this.#problems,
      problemCount: this.#problemCount,
      notices: this.#notices,
    };
  }
}
