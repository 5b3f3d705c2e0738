import { BongsuError, decodeEvent, type EventRecord, type Group, type RawRecord } from '@bongsu/contracts';
import type { Reader, TopicDeclaration } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { tracing } from '@bongsu/tracing';
import { backoffMs, sleep } from '../cluster/backoff.js';
import { consumedRecords, consumerBatchDuration } from '../metrics.js';
import type { BatchOutcome, EventBatch, RawBatch } from './batch.js';
import type { DeadLetter, DeadLetterWriter } from './dead-letters.js';
import { processSpans, recordFields } from './process-spans.js';

/** A record that fails this often, alone, is at fault itself. */
const ATTEMPTS_ALONE = 3;

/** Something that everything needs is away, so no record is at fault: wait, and try the same again. */
export class InfrastructureFailure extends Error {
  override readonly name = 'InfrastructureFailure';
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** The partition is lost, paused, or the member stops: what was not done is left for later, without an error. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

export interface ProcessorOptions {
  readonly topic: TopicDeclaration;
  /** The topic's name with the prefix, for metrics. */
  readonly topicName: string;
  readonly as: Reader['as'];
  readonly group: Group;
  readonly handle: (batch: EventBatch | RawBatch) => Promise<BatchOutcome>;
  readonly deadLetters: Pick<DeadLetterWriter, 'write'>;
  readonly isInfrastructureError: (error: unknown) => boolean;
  readonly logger: Logger;
}

/** What a chunk of records is processed for. */
export interface ProcessingContext {
  readonly partition: number;
  readonly highWatermark: bigint;
  readonly signal: AbortSignal;
  /** Called when everything up to and with this offset has been done or dead-lettered. */
  readonly done: (lastOffset: bigint) => Promise<void>;
}

/** A record with what reading it gave: an event, bytes as they are, or the reason why it cannot be read. */
interface Item {
  readonly raw: RawRecord;
  readonly event: EventRecord | undefined;
  readonly unreadable: DeadLetter | undefined;
}

/**
 * Takes chunks of one topic's records through decoding, the handler and the dead-letter topic. How failures are told
 * apart: docs/adr/0005-batch-consumer-strategy.md.
 */
export class BatchProcessor {
  readonly #options: ProcessorOptions;
  readonly #labels: { topic: string; group: string };

  constructor(options: ProcessorOptions) {
    this.#options = options;
    this.#labels = { topic: options.topicName, group: options.group };
  }

  /** Throws InfrastructureFailure or Stopped; `context.done` has then been called for what came before. */
  async process(records: readonly RawRecord[], context: ProcessingContext): Promise<void> {
    await this.#process(
      records.map((raw) => this.#read(raw)),
      context,
    );
  }

  #read(raw: RawRecord): Item {
    if (this.#options.as === 'bytes') return { raw, event: undefined, unreadable: undefined };
    try {
      return { raw, event: decodeEvent(this.#options.topic, raw), unreadable: undefined };
    } catch (error) {
      const code = error instanceof BongsuError ? error.code : 'record_shape_invalid';
      const detail = error instanceof BongsuError ? error.message : 'The record cannot be read';
      return { raw, event: undefined, unreadable: { raw, code, detail } };
    }
  }

  async #process(items: readonly Item[], context: ProcessingContext): Promise<void> {
    const readable = items.filter((item) => !item.unreadable);
    const refused = items.flatMap((item) => item.unreadable ?? []);
    if (readable.length > 0) {
      const outcome = await this.#handle(readable, context);
      if (outcome === 'split') {
        const middle = items.length >> 1;
        await this.#process(items.slice(0, middle), context);
        await this.#process(items.slice(middle), context);
        return;
      }
      this.#count('rejected', outcome.length);
      this.#count('done', readable.length - outcome.length);
      refused.push(...outcome);
    }
    await this.#deadLetter(refused);
    await context.done(items.at(-1)!.raw.offset);
    this.#count('unreadable', items.length - readable.length);
  }

  /** What the handler rejected; 'split' when it failed on several records, of which maybe one is at fault. */
  async #handle(items: readonly Item[], context: ProcessingContext): Promise<DeadLetter[] | 'split'> {
    for (let attempt = 1; ; attempt++) {
      if (context.signal.aborted) throw new Stopped();
      const observe = consumerBatchDuration.startTimer(this.#labels);
      const { partition } = context;
      const spans = tracing.isOn ? processSpans(items, { ...this.#labels, partition }) : undefined;
      try {
        const rejected = this.#rejected(items, await this.#options.handle(this.#batch(items, context)));
        spans?.done(new Map(rejected.map(({ raw, code }) => [raw.offset, code])));
        return rejected;
      } catch (error) {
        spans?.failed(kindOf(error));
        // A handler that was told to stop may end however it likes.
        if (context.signal.aborted) throw new Stopped();
        if (this.#isInfrastructure(error)) throw new InfrastructureFailure(error);
        this.#count('retried', items.length);
        this.#options.logger.warn(
          {
            err: error,
            ...this.#labels,
            partition,
            offset: String(items[0]!.raw.offset),
            attempt,
            ...(items.length === 1 ? recordFields(items[0]!.raw) : {}),
          },
          `A handler failed on ${items.length} record(s)`,
        );
        if (items.length > 1) return 'split';
        if (attempt >= ATTEMPTS_ALONE) return [{ raw: items[0]!.raw, code: 'handler_failed', detail: kindOf(error) }];
      } finally {
        observe();
      }
      await sleep(backoffMs(attempt, 50, 1_000), context.signal);
    }
  }

  #batch(items: readonly Item[], { partition, highWatermark, signal }: ProcessingContext): EventBatch | RawBatch {
    const common = { topic: this.#options.topic, partition, highWatermark, signal };
    return this.#options.as === 'bytes'
      ? { ...common, records: items.map((item) => item.raw) }
      : { ...common, records: items.map((item) => item.event!) };
  }

  #rejected(items: readonly Item[], outcome: BatchOutcome): DeadLetter[] {
    if (!Array.isArray(outcome) || outcome.length === 0) return [];
    const byOffset = new Map(items.map((item) => [item.raw.offset, item.raw]));
    const letters = new Map<bigint, DeadLetter>();
    for (const { offset, code, detail } of outcome as Exclude<BatchOutcome, void>) {
      const raw = byOffset.get(offset);
      if (!raw) throw new TypeError(`The handler rejected offset ${offset}, which is not in its batch`);
      letters.set(offset, { raw, code, detail });
    }
    return [...letters.values()];
  }

  /** The dead-letter topic is part of the infrastructure: while it cannot be written to, nothing is skipped. */
  async #deadLetter(letters: readonly DeadLetter[]): Promise<void> {
    try {
      await this.#options.deadLetters.write(letters);
    } catch (error) {
      this.#options.logger.error(
        { err: error, ...this.#labels, records: letters.length },
        'Dead letters cannot be written',
      );
      throw new InfrastructureFailure(error);
    }
    for (const { raw, code, detail } of letters) {
      this.#options.logger.warn(
        { ...this.#labels, partition: raw.partition, offset: String(raw.offset), code, detail, ...recordFields(raw) },
        'A record was dead-lettered',
      );
    }
  }

  #isInfrastructure(error: unknown): boolean {
    return (error instanceof BongsuError && error.retryable) || this.#options.isInfrastructureError(error);
  }

  #count(result: 'done' | 'rejected' | 'unreadable' | 'retried', count: number): void {
    if (count > 0) consumedRecords.inc({ ...this.#labels, result }, count);
  }
}

/** What is safe to write down of an error: its kind and code. Its message may quote the record. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}
