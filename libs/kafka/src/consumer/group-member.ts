import type { Logger } from '@bongsu/observability';
import type { Consumer, ConsumerRunConfig, EachBatchPayload, LogEntry } from 'kafkajs';
import { backoffMs, sleep, within } from '../cluster/backoff.js';
import { KafkaConnection, RIDE_OUT, type KafkaSettings } from '../cluster/connection.js';
import { consumerCrashes, consumerOffsetResets, consumerRebalances } from '../metrics.js';
import { InfrastructureFailure, Stopped } from './batch-processor.js';
import { coPartitionAssigner } from './co-partition.js';
import { Membership, type Generation } from './membership.js';
import { PartitionPauses, type TopicPartition } from './partition-pauses.js';

/** Partitions that are added to a topic are noticed within this time. */
const METADATA_MAX_AGE_MS = 30_000;
/** An idle fetch answers after this time: it bounds how long a rebalance, a resume and a shutdown wait. */
const MAX_WAIT_MS = 500;
const OUT_OF_RANGE = 'Offset out of range, resetting to default offset';

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

/** This process' membership in a consumer group: joins, keeps it up, fetches, commits, leaves. */
export class GroupMember {
  readonly pauses: PartitionPauses;
  readonly #options: GroupMemberOptions;
  readonly #membership: Membership;
  readonly #connection: KafkaConnection;
  readonly #consumer: Consumer;
  readonly #closing = new AbortController();
  /** Batches that are being handled, with when that began. */
  readonly #handling = new Map<object, number>();

  constructor(options: GroupMemberOptions) {
    this.#options = options;
    const { settings, clientId, logger, groupId } = options;
    this.#membership = new Membership(options.sessionTimeoutMs, options.heartbeatIntervalMs);
    this.#connection = new KafkaConnection({
      settings,
      clientId,
      logger,
      retry: RIDE_OUT,
      onLogEntry: (entry) => this.#watchLog(entry),
    });
    this.#consumer = this.#connection.kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      sessionTimeout: options.sessionTimeoutMs,
      heartbeatInterval: options.heartbeatIntervalMs,
      rebalanceTimeout: options.rebalanceTimeoutMs,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      maxWaitTimeInMs: MAX_WAIT_MS,
      retry: RIDE_OUT,
      ...(options.coPartition ? { partitionAssigners: [coPartitionAssigner] } : {}),
    });
    this.pauses = new PartitionPauses(() => this.#consumer);
    this.#listen();
  }

  /** Joins the group; waits for Kafka and for the topics, for as long as it takes or until `close`. */
  async start(): Promise<void> {
    const { logger, topics } = this.#options;
    for (let attempt = 0; !this.#closing.signal.aborted; attempt++) {
      try {
        await this.#connection.run(this.#consumer.connect());
        await this.#connection.run(this.#consumer.subscribe({ topics: [...topics], fromBeginning: true }));
        await this.#connection.run(this.#consumer.run(this.#runConfig()));
        return;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        logger.warn({ err: error, topics, attempt }, 'The consumer cannot start yet; trying again');
        await sleep(backoffMs(attempt, 200, 5_000), this.#closing.signal);
      }
    }
  }

  /** Finishes or abandons what is in progress, and leaves the group, within `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#membership.stop();
    const left = await within(
      timeoutMs,
      this.#consumer.disconnect().then(
        () => true,
        () => true,
      ),
    );
    if (!left) this.#options.logger.warn('The consumer could not leave its group in time; its session will expire');
    this.#endGeneration();
    this.pauses.assign([]);
    this.#connection.cut();
  }

  /** Throws, with the reason, when this process is no working member of its group. */
  checkHealth(silentForMs: number, handlingForMs: number): void {
    const silent = this.#membership.silentMs;
    if (silent === Infinity) throw new Error('not a member of the group');
    if (silent > silentForMs) throw new Error(`no heartbeat for ${Math.round(silent / 1000)} s`);
    const oldest = Math.min(...this.#handling.values());
    if (performance.now() - oldest > handlingForMs) throw new Error('a batch does not come to an end');
  }

  get assigned(): readonly TopicPartition[] {
    return this.#membership.current?.partitions ?? [];
  }

  #runConfig(): ConsumerRunConfig {
    return {
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: this.#options.partitionsConcurrently,
      eachBatch: (payload) => this.#eachBatch(payload),
    };
  }

  /** Must throw nothing but what tells kafkajs to join again: it stops for good on a TypeError or a RangeError. */
  async #eachBatch(payload: EachBatchPayload): Promise<void> {
    const generation = this.#membership.current;
    const at = { topic: payload.batch.topic, partition: payload.batch.partition };
    if (!generation) return;
    const mayGoOn = (): boolean =>
      this.#membership.mayBegin(generation) && !this.pauses.isPaused(at) && payload.isRunning() && !payload.isStale();
    await this.#membership.during(
      generation,
      () => payload.heartbeat(),
      async () => {
        await generation.ready;
        if (!mayGoOn()) return;
        const handling = {};
        this.#handling.set(handling, performance.now());
        try {
          const { batch } = payload;
          const done = async (offset: bigint): Promise<void> => this.#done(generation, payload, offset);
          await this.#options.process({ batch, signal: generation.signal, mayGoOn, done });
        } catch (error) {
          this.#afterFailure(at, error);
        } finally {
          this.#handling.delete(handling);
        }
      },
    );
  }

  #afterFailure(at: TopicPartition, error: unknown): void {
    if (error instanceof Stopped) return;
    const ms = this.pauses.backOff(at);
    const message = `Partition ${at.topic}/${at.partition} is paused for ${ms} ms, then tried again`;
    if (error instanceof InfrastructureFailure) this.#options.logger.warn({ err: error.cause, ...at }, message);
    else this.#options.logger.error({ err: error, ...at }, message);
  }

  async #done(generation: Generation, payload: EachBatchPayload, offset: bigint): Promise<void> {
    const { topic, partition } = payload.batch;
    const topics = [{ topic, partitions: [{ partition, offset: String(offset + 1n) }] }];
    for (let attempt = 0; ; attempt++) {
      if (generation.lost || this.#membership.current !== generation) throw new Stopped();
      if (attempt === 0) payload.resolveOffset(String(offset));
      try {
        await this.#connection.run(payload.commitOffsetsIfNecessary({ topics }));
        this.#membership.alive();
        break;
      } catch (error) {
        if (this.#membership.note(generation, error) || this.#closing.signal.aborted) throw new Stopped();
        // The work is done, only Kafka does not know it yet; doing it again would cost more than waiting.
        this.#options.logger.warn({ err: error, topic, partition }, 'An offset cannot be committed; trying again');
        await sleep(backoffMs(attempt, 100, 1_000), generation.signal);
      }
    }
    this.pauses.succeeded({ topic, partition });
  }

  #listen(): void {
    const { groupId } = this.#options;
    const { events } = this.#consumer;
    this.#consumer.on(events.GROUP_JOIN, ({ payload }) => {
      consumerRebalances.inc({ group: groupId });
      this.#endGeneration();
      const partitions = Object.entries(payload.memberAssignment).flatMap(([topic, assigned]) =>
        assigned.map((partition) => ({ topic, partition })),
      );
      if (!this.#closing.signal.aborted) this.#beginGeneration(partitions);
    });
    this.#consumer.on(events.HEARTBEAT, () => this.#membership.alive());
    this.#consumer.on(events.REBALANCING, () => this.#endGeneration());
    this.#consumer.on(events.STOP, () => this.#endGeneration());
    this.#consumer.on(events.CRASH, ({ payload }) => {
      if (this.#closing.signal.aborted) return;
      consumerCrashes.inc({ group: groupId, restart: String(payload.restart) });
      this.#endGeneration();
      if (!payload.restart) this.#options.onCrash(payload.error);
    });
  }

  #beginGeneration(partitions: readonly TopicPartition[]): void {
    const generation = this.#membership.begin(partitions);
    this.pauses.assign(partitions);
    generation.ready = this.#prepare(generation);
  }

  async #prepare(generation: Generation): Promise<void> {
    for (let attempt = 0; !generation.signal.aborted; attempt++) {
      try {
        await this.#options.onAssigned(generation.partitions);
        return;
      } catch (error) {
        this.#options.logger.error({ err: error, attempt }, 'onAssigned failed; no batch is handled until it succeeds');
        await sleep(backoffMs(attempt, 100, 5_000), generation.signal);
      }
    }
  }

  #endGeneration(): void {
    if (!this.#membership.end()) return;
    try {
      this.#options.onRevoked();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'onRevoked failed');
    }
  }

  /** There is no event for this one, only a line in the log; a test on the real broker makes sure that it is still so. */
  #watchLog(entry: LogEntry): void {
    if (entry.log.message !== OUT_OF_RANGE) return;
    const { topic, partition } = entry.log as unknown as TopicPartition;
    consumerOffsetResets.inc({ topic, group: this.#options.groupId });
    this.#options.logger.error(
      { topic, partition, group: this.#options.groupId },
      'RECORDS WERE LOST TO THIS GROUP: retention has deleted what it had not read yet; it goes on with the oldest record left',
    );
  }
}
