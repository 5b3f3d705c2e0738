import { BaseRpcContext } from '@nestjs/microservices';
import type { ErrorCode, EventRecord, RawRecord, TopicDeclaration } from '@bongsu/contracts';

interface Batch<R> {
  readonly topic: TopicDeclaration;
  readonly partition: number;
  /** In the order of their offsets; never empty. */
  readonly records: readonly R[];
  /** The offset after the partition's last replicated record, when the batch was fetched. */
  readonly highWatermark: bigint;
  /** Aborted when this member has lost the partition or is stopping: what is written after that may be written twice. */
  readonly signal: AbortSignal;
}

/** Records that were read and checked against their topic's declaration. */
export type EventBatch<T = unknown> = Batch<EventRecord<T>>;

/** Records as they are: nothing was decoded, so none can be unreadable. */
export type RawBatch = Batch<RawRecord>;

/** A record that the handler will not take; it goes to the dead-letter topic and the rest of the batch counts as done. */
export interface RejectedRecord {
  readonly offset: bigint;
  readonly code: ErrorCode;
  /** For operators; never holds a secret or a payload. */
  readonly detail: string;
}

/** What a handler returns. Its rejection means that nothing of the batch was done. */
// oxlint-disable-next-line typescript/no-invalid-void-type -- a handler without `return` is the usual one
export type BatchOutcome = void | readonly RejectedRecord[];

/** Nest's context of a batch, for interceptors, guards and filters: `context.switchToRpc().getContext()`. */
export class BatchContext extends BaseRpcContext<[EventBatch | RawBatch]> {
  get batch(): EventBatch | RawBatch {
    return this.getArgByIndex(0);
  }
}
