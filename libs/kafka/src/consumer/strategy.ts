import { Server, Transport, type CustomTransportStrategy } from '@nestjs/microservices';
import { ALL_TOPICS, type Group, type RawRecord, type TopicDeclaration } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { lastValueFrom } from 'rxjs';
import type { KafkaSettings } from '../cluster/connection.js';
import type { KafkaProducer } from '../producer/producer.js';
import { BatchContext, type BatchOutcome, type EventBatch, type RawBatch } from './batch.js';
import { BatchProcessor } from './batch-processor.js';
import { DeadLetterWriter } from './dead-letters.js';
import { GroupMember } from './group-member.js';
import type { Fetched } from './member-options.js';
import { handlersOf, type TopicHandler } from './handlers.js';
import { LagReporter } from './lag.js';
import type { TopicPartition } from './partition-pauses.js';
import { rawRecord } from './raw-record.js';

export interface KafkaBatchStrategyOptions {
  readonly group: Group;
  readonly settings: KafkaSettings;
  /** Writes the dead letters. */
  readonly producer: Pick<KafkaProducer, 'sendRaw'>;
  readonly logger: Logger;
  /** Default `bongsu-<group>`. */
  readonly clientId?: string;
  /** Says of a handler's error that no record is at fault: the partition waits and the same batch is tried again. */
  readonly isInfrastructureError: (error: unknown) => boolean;
  /** Most records that a handler gets at once. Default 500. */
  readonly maxRecords?: number;
  /**
   * Bytes of a partition in one fetch, at most. A fetch is decoded in one go: what is large delays what comes after it.
   * Default 1 MB.
   */
  readonly maxBytesPerPartition?: number;
  /** How many partitions are handled side by side. Default 4. */
  readonly partitionsConcurrently?: number;
  /** Partition i of every topic goes to the same member. Default false. */
  readonly coPartition?: boolean;
  /**
   * How long a fetch may wait for more than the first record, milliseconds, for handlers that need not be prompt: each partition of
   * each fetch is a call of a handler, whose fixed cost is that of dozens of records. Default: not at all.
   */
  readonly gatherMs?: number;
  /** Called with every new assignment; batches wait until its promise resolves. Topics are declared names. */
  readonly onAssigned?: (partitions: ReadonlyMap<string, readonly number[]>) => void | Promise<void>;
  /** Called when an assignment ends: before the next, and at the end. */
  readonly onRevoked?: () => void;
  /** Called when the consumer has ended for good. Default: logs and exits with 1, so that the process is started again. */
  readonly onCrash?: (error: Error) => void;
  /** After how long without a heartbeat the group gives the partitions to others. Default 9 s. */
  readonly sessionTimeoutMs?: number;
  /** Default 3 s. */
  readonly heartbeatIntervalMs?: number;
  /** How long a rebalance waits for members that are still handling a batch. Default 30 s. */
  readonly rebalanceTimeoutMs?: number;
  /** How often the lag is asked for. Default 10 s. */
  readonly lagIntervalMs?: number;
  /** How long `close` waits for handlers that are running. Default 8 s. */
  readonly closeTimeoutMs?: number;
  /** Which topics there are; for tests. Default: all declared ones. */
  readonly topics?: readonly TopicDeclaration[];
}

/**
 * After a hard kill the group waits this long for the dead member before the one that was started again gets its partitions.
 * Three heartbeats: a process that is kept from running for longer than that is better taken for dead.
 */
const SESSION_TIMEOUT_MS = 9_000;
/** How long a batch may be handled before the process counts as not ready. */
const HANDLING_FOR_MS = 300_000;

/** A group's name in Kafka: the prefix keeps two installations on one cluster from joining each other's groups. */
export const groupIdOf = (settings: KafkaSettings, group: string): string => settings.KAFKA_TOPIC_PREFIX + group;

/**
 * Nest's transport for this system's topics: controllers with `@OnBatch` get batches, at least once, in order per
 * partition, and offsets are committed after a handler has resolved (docs/adr/0005-batch-consumer-strategy.md).
 */
export class KafkaBatchStrategy extends Server implements CustomTransportStrategy {
  override readonly transportId = Transport.KAFKA;
  /** A handler's error reaches the strategy, which deals with it; Nest must not log it as lost. */
  override readonly propagatesEventHandlerErrors = true;
  readonly #options: KafkaBatchStrategyOptions;
  readonly #prefix: string;
  readonly #groupId: string;
  readonly #processors = new Map<string, { processor: BatchProcessor; topic: TopicDeclaration }>();
  #member: GroupMember | undefined;
  #lag: LagReporter | undefined;
  readonly #pausedTopics = new Set<TopicDeclaration>();
  #paused = false;

  constructor(options: KafkaBatchStrategyOptions) {
    super();
    this.#options = options;
    this.#prefix = options.settings.KAFKA_TOPIC_PREFIX;
    this.#groupId = groupIdOf(options.settings, options.group);
  }

  /**
   * Called by Nest. Fails when a topic that the group reads has no handler or two, or when a handler is for a topic that it
   * does not read. Joins in the background: the service is up, and not ready, while Kafka is away.
   */
  listen(callback: (error?: unknown) => void): void {
    try {
      const { group, topics = ALL_TOPICS } = this.#options;
      const handlers = handlersOf(this.getHandlers(), group, topics);
      const member = this.#join(handlers);
      callback();
      void member.start();
    } catch (error) {
      callback(error);
    }
  }

  /** Called by Nest at shutdown, before pools are closed: lets running handlers end and leaves the group. */
  async close(): Promise<void> {
    await this.#member?.close(this.#options.closeTimeoutMs ?? 8_000);
    this.#lag?.stop();
  }

  /** Back-pressure: fetches nothing of the topic, or of any, until `resume`. A handler that runs goes on; what follows waits. */
  pause(topic?: TopicDeclaration): void {
    if (topic) {
      this.#pausedTopics.add(topic);
      this.#member?.pauses.pauseTopic(this.#prefix + topic.name);
    } else {
      this.#paused = true;
      this.#member?.pauses.pauseAll();
    }
  }

  resume(topic?: TopicDeclaration): void {
    if (topic) {
      this.#pausedTopics.delete(topic);
      this.#member?.pauses.resumeTopic(this.#prefix + topic.name);
    } else {
      this.#paused = false;
      this.#member?.pauses.resumeAll();
    }
  }

  /** For readiness: throws, with the reason, unless this process is a member that takes part in its group. */
  checkHealth(): void {
    if (!this.#member) throw new Error('not started');
    this.#member.checkHealth(2 * (this.#options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS), HANDLING_FOR_MS);
  }

  isHealthy(): boolean {
    try {
      this.checkHealth();
      return true;
    } catch {
      return false;
    }
  }

  on(): never {
    throw new Error('There are no events to listen to; use onAssigned, onRevoked and onCrash');
  }

  unwrap(): never {
    throw new Error('The kafkajs consumer is not to be used from outside');
  }

  #join(handlers: readonly TopicHandler[]): GroupMember {
    const { settings, group, logger, producer, clientId = `bongsu-${this.#options.group}` } = this.#options;
    const deadLetters = new DeadLetterWriter(producer, group);
    const beside = new Map(handlers.map((each) => [this.#prefix + each.topic.name, each.beside]));
    for (const { topic, as, handler } of handlers) {
      const topicName = this.#prefix + topic.name;
      const handle = (batch: EventBatch | RawBatch): Promise<BatchOutcome> => this.#handle(handler, batch);
      const { isInfrastructureError } = this.#options;
      const processor = new BatchProcessor({
        topic,
        topicName,
        as,
        group,
        handle,
        deadLetters,
        isInfrastructureError,
        logger,
      });
      this.#processors.set(topicName, { processor, topic });
    }
    const member = new GroupMember({
      settings,
      clientId,
      logger,
      groupId: this.#groupId,
      topics: [...this.#processors.keys()],
      coPartition: this.#options.coPartition ?? false,
      sessionTimeoutMs: this.#options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS,
      heartbeatIntervalMs: this.#options.heartbeatIntervalMs ?? 3_000,
      rebalanceTimeoutMs: this.#options.rebalanceTimeoutMs ?? 30_000,
      partitionsConcurrently: this.#options.partitionsConcurrently ?? 4,
      maxBytesPerPartition: this.#options.maxBytesPerPartition ?? 1024 * 1024,
      gatherMs: this.#options.gatherMs ?? 0,
      besideOf: (topicName) => beside.get(topicName),
      process: (fetched) => this.#process(fetched),
      onAssigned: (partitions) => this.#assigned(partitions),
      onRevoked: () => this.#revoked(),
      onCrash: (error) => this.#crashed(error),
    });
    if (this.#paused) member.pauses.pauseAll();
    for (const topic of this.#pausedTopics) member.pauses.pauseTopic(this.#prefix + topic.name);
    this.#member = member;
    this.#lag = new LagReporter({
      settings,
      clientId: `${clientId}-lag`,
      groupId: this.#groupId,
      logger,
      everyMs: this.#options.lagIntervalMs ?? 10_000,
      assigned: () => member.assigned,
    });
    return member;
  }

  async #process(fetched: Fetched): Promise<void> {
    const { batch, signal } = fetched;
    const { processor, topic } = this.#processors.get(batch.topic)!;
    const highWatermark = BigInt(batch.highWatermark);
    const maxRecords = this.#options.maxRecords ?? 500;
    const done = async (offset: bigint): Promise<void> => {
      await fetched.done(offset);
      this.#lag?.set(batch, highWatermark - offset - 1n);
    };
    for (let from = 0; from < batch.messages.length && fetched.mayGoOn(); from += maxRecords) {
      const records: RawRecord[] = [];
      for (const message of batch.messages.slice(from, from + maxRecords))
        records.push(rawRecord(topic.name, batch.partition, message));
      await processor.process(records, { partition: batch.partition, highWatermark, signal, done });
    }
  }

  #handle(handler: TopicHandler['handler'], batch: EventBatch | RawBatch): Promise<BatchOutcome> {
    const context = new BatchContext([batch]);
    const work = async (): Promise<BatchOutcome> => {
      try {
        const result = this.transformToObservable(Promise.resolve(handler(batch, context)));
        return (await lastValueFrom(result, { defaultValue: undefined })) as BatchOutcome;
      } finally {
        this.onProcessingEndHook?.(this.transportId, context);
      }
    };
    return new Promise((resolve, reject) => {
      this.onProcessingStartHook(this.transportId, context, () => work().then(resolve, reject));
    });
  }

  async #assigned(partitions: readonly TopicPartition[]): Promise<void> {
    const byTopic = new Map<string, number[]>();
    for (const { topic, partition } of partitions) {
      const declared = topic.slice(this.#prefix.length);
      byTopic.set(declared, [...(byTopic.get(declared) ?? []), partition]);
    }
    this.#lag?.clear();
    this.#options.logger.info({ group: this.#groupId, partitions: Object.fromEntries(byTopic) }, 'Partitions assigned');
    await this.#options.onAssigned?.(byTopic);
  }

  #revoked(): void {
    this.#lag?.clear();
    this.#options.onRevoked?.();
  }

  #crashed(error: Error): void {
    if (this.#options.onCrash) return this.#options.onCrash(error);
    this.#options.logger.fatal(
      { err: error, group: this.#groupId },
      'The consumer has crashed and will not start again',
    );
    process.exit(1);
  }
}
