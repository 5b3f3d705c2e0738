import type { RawRecord } from '@bongsu/contracts';
import { encodeHeaders } from '../encoding.js';
import { chainName, digestPayload } from '../record.js';
import type { Finding, StoredRecord } from './chain-verifier.js';
import type { VerifyReport } from './report.js';

/** Kafka's records of a partition, from the oldest that it has; the topic's declared name. */
export type ReadPartition = (topic: string, partition: number) => AsyncIterable<readonly RawRecord[]>;

const MAX_FINDINGS = 100;

/**
 * Compares what was recorded with what Kafka still has, byte by byte. Records come as they stand in their chain; a chain is
 * compared within its last epoch, since what was before belonged to a topic that is no more. Records that Kafka has and the
 * chain has not are named where they should stand; behind the chain's end they are merely not recorded yet.
 */
export class KafkaComparison {
  readonly #read: ReadPartition;
  readonly #problems: Finding[] = [];
  #problemCount = 0;
  #compared = 0;
  #chain: string | undefined;
  #epoch = 0;
  #ofChain: Finding[] = [];
  #source: Cursor | undefined;

  constructor(read: ReadPartition) {
    this.#read = read;
  }

  async next(record: StoredRecord): Promise<void> {
    const chain = chainName(record.topic, record.partition);
    if (chain !== this.#chain) {
      await this.#end();
      this.#chain = chain;
      this.#epoch = -1;
    }
    if (record.epoch !== this.#epoch) await this.#begin(record);
    if (record.kind === 'gap') return;
    await this.#compare(record, this.#source!);
  }

  /** A report with what the comparison adds to it. To be called after the last record. */
  async addedTo(report: VerifyReport): Promise<VerifyReport & { compared: number }> {
    await this.#end();
    return {
      ...report,
      ok: report.ok && this.#problemCount === 0,
      problems: [...report.problems, ...this.#problems],
      problemCount: report.problemCount + this.#problemCount,
      compared: this.#compared,
    };
  }

  async #begin({ topic, partition, epoch }: StoredRecord): Promise<void> {
    await this.#source?.end();
    this.#ofChain = [];
    this.#epoch = epoch;
    this.#source = new Cursor(this.#read(topic, partition));
  }

  async #end(): Promise<void> {
    await this.#source?.end();
    this.#source = undefined;
    this.#problemCount += this.#ofChain.length;
    this.#problems.push(...this.#ofChain.slice(0, MAX_FINDINGS));
    this.#ofChain = [];
  }

  async #compare(record: StoredRecord, source: Cursor): Promise<void> {
    for (;;) {
      const found = source.ready() ?? (await source.fetch());
      if (!found || found.offset > record.offset) return; // Kafka has let go of it
      source.skip();
      if (found.offset === record.offset) {
        this.#compared++;
        const differs = whatDiffers(record, found);
        if (differs.length > 0)
          this.#problem(record, `Kafka has another record at offset ${found.offset}: ${differs.join(', ')}`);
        return;
      }
      this.#problem(
        record,
        `Kafka has a record at offset ${found.offset}, which should stand before this one and does not`,
      );
    }
  }

  #problem({ sequence }: StoredRecord, what: string): void {
    this.#ofChain.push({ chain: this.#chain ?? '', sequence: Number(sequence), what });
  }
}

const same = (a: Buffer | null, b: Buffer | null): boolean => (a === null || b === null ? a === b : a.equals(b));

function whatDiffers(record: StoredRecord, found: RawRecord): string[] {
  const differs: string[] = [];
  if (record.timestampMs !== found.timestamp) differs.push('timestamp');
  if (!same(record.key, found.key)) differs.push('key');
  if (!record.headers.equals(encodeHeaders(found.headers))) differs.push('headers');
  // What was erased here is still in Kafka for a while; without the salt it cannot be compared, nor does it need to be.
  if (record.salt && !same(record.payload, found.value)) differs.push('value');
  if (record.salt && !digestPayload(record.salt, found.value).equals(record.payloadDigest))
    differs.push('payload digest');
  return differs;
}

/** One record after the other out of pages. */
class Cursor {
  readonly #pages: AsyncIterator<readonly RawRecord[]>;
  #page: readonly RawRecord[] = [];
  #at = 0;

  constructor(pages: AsyncIterable<readonly RawRecord[]>) {
    this.#pages = pages[Symbol.asyncIterator]();
  }

  ready(): RawRecord | undefined {
    return this.#page[this.#at];
  }

  async fetch(): Promise<RawRecord | undefined> {
    while (this.#at >= this.#page.length) {
      const page = await this.#pages.next();
      if (page.done) return undefined;
      this.#page = page.value;
      this.#at = 0;
    }
    return this.#page[this.#at];
  }

  skip(): void {
    this.#at++;
  }

  async end(): Promise<void> {
    await this.#pages.return?.();
  }
}
