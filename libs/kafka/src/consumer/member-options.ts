import type { Logger } from '@bongsu/observability';
import type { ConsumerConfig, EachBatchPayload } from 'kafkajs';
import { RIDE_OUT, type KafkaSettings } from '../cluster/connection.js';
import { coPartitionAssigner } from './co-partition.js';
import type { BesideOf } from './background.js';
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
  /** How long a fetch waits for more than the first record, milliseconds; 0 answers at once. */
  readonly gatherMs: number;
  /** What is handled beside the fetch loop. */
  readonly besideOf: BesideOf;
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
  /** Everything up to and with this offset is done: moves the position, and has it committed. Throws Stopped when it is others'. */
  readonly done: (offset: bigint) => Promise<void>;
}

/** Partitions that are added to a topic are noticed within this time. */
const METADATA_MAX_AGE_MS = 30_000;
/** An idle fetch answers after this time: it bounds how long a rebalance, a resume and a shutdown wait. */
const MAX_WAIT_MS = 200;
/**
 * The same where handlers run beside the fetch loop: a busy partition is resumed after each of its fetches, and a single
 * one waits for this each time. What it brings and what it costs idle is measured in ADR 0005.
 */
const MAX_WAIT_SIDE_BY_SIDE_MS = 50;

/** A fetch that has so much, or as much of one partition as it may bring, is not kept waiting for more. */
const GATHERED_BYTES = 1024 * 1024;

/** What kafkajs is told of a member. */
export function consumerConfig(options: GroupMemberOptions): ConsumerConfig {
  const isSideBySide = options.topics.some((each) => options.besideOf(each) !== undefined);
  return {
    groupId: options.groupId,
    allowAutoTopicCreation: false,
    sessionTimeout: options.sessionTimeoutMs,
    heartbeatInterval: options.heartbeatIntervalMs,
    rebalanceTimeout: options.rebalanceTimeoutMs,
    metadataMaxAge: METADATA_MAX_AGE_MS,
    ...(options.gatherMs > 0
      ? { maxWaitTimeInMs: options.gatherMs, minBytes: Math.min(GATHERED_BYTES, options.maxBytesPerPartition) }
      : { maxWaitTimeInMs: isSideBySide ? MAX_WAIT_SIDE_BY_SIDE_MS : MAX_WAIT_MS }),
    maxBytesPerPartition: options.maxBytesPerPartition,
    retry: RIDE_OUT,
    ...(options.coPartition ? { partitionAssigners: [coPartitionAssigner] } : {}),
  };
}
