import type { Logger } from '@bongsu/observability';
import type { EachBatchPayload } from 'kafkajs';
import type { KafkaSettings } from '../cluster/connection.js';
import type { SideBySide } from './background.js';
import type { TopicPartition } from './partition-pauses.js';

export interface GroupMemberOptions {
  readonly settings: KafkaSettings;
  /** As Kafka knows it. */
  readonly groupId: string;
  readonly clientId: string;
  /** As Kafka knows them. */
  readonly topics: readonly string[];
  readonly logger: Logger;
  readonly coPartition: boolean;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly partitionsConcurrently: number;
  readonly maxBytesPerPartition: number;
  /** Topics of which many records are handled beside the fetch loop. */
  readonly sideBySide: SideBySide;
  /** Handles a fetched batch in chunks; calls `done` after each. Throws InfrastructureFailure or Stopped. */
  readonly process: (fetched: Fetched) => Promise<void>;
  readonly onAssigned: (partitions: readonly TopicPartition[]) => void | Promise<void>;
  readonly onRevoked: () => void;
  /** The consumer has ended and will not be started again. */
  readonly onCrash: (error: Error) => void;
}

/** A batch as it was fetched, and what its processing may ask. */
export interface Fetched extends Pick<EachBatchPayload, 'batch'> {
  readonly signal: AbortSignal;
  /** False when the rest of the batch must be left: partition paused, rebalance, stop. */
  readonly mayGoOn: () => boolean;
  /** Everything up to and with this offset is done: moves the position and commits it. Throws Stopped when that is refused. */
  readonly done: (offset: bigint) => Promise<void>;
}
