import type { Consumer, ConsumerRunConfig, EachBatchPayload, LogEntry } from 'kafkajs';
import { backoffMs, sleep, within } from '../cluster/backoff.js';
import { KafkaConnection, RIDE_OUT } from '../cluster/connection.js';
import { consumerCrashes, consumerRebalances } from '../metrics.js';
import { InfrastructureFailure, Stopped } from './batch-processor.js';
import { Background } from './background.js';
import { consumerConfig, type GroupMemberOptions } from './member-options.js';
import { sayLostRecords } from './lost-records.js';
import { Membership, type Generation } from './membership.js';
import { OffsetCommits } from './offset-commits.js';
import { PartitionPauses, type TopicPartition } from './partition-pauses.js';

const WATCH_EVERY_MS = 1_000;
/** How much longer than Kafka itself a member waits before it takes its client for stuck, milliseconds. */
const STUCK_AFTER_MS = 10_000;
/** How long a member that has to join again waits for its last commit, milliseconds. */
const LAST_COMMIT_MS = 1_000;

interface Link {
  readonly connection: KafkaConnection;
  readonly consumer: Consumer;
}

/** This process' membership in a consumer group: joins, keeps it up, fetches, commits, leaves. */
export class GroupMember {
  readonly pauses: PartitionPauses;
  readonly #options: GroupMemberOptions;
  readonly #membership: Membership;
  readonly #closing = new AbortController();
  readonly #watch: NodeJS.Timeout;
  #link: Link;
  /** Since when this process is in no generation. */
  #outSince = performance.now();
  /** Batches that are being handled, with when that began. */
  readonly #handling = new Map<object, number>();
  readonly #background: Background;
  readonly #commits = new WeakMap<Generation, OffsetCommits>();

  constructor(options: GroupMemberOptions) {
    this.#options = options;
    this.#membership = new Membership(options.sessionTimeoutMs, options.heartbeatIntervalMs);
    this.pauses = new PartitionPauses(() => this.#link.consumer);
    this.#background = new Background(options.besideOf);
    this.#link = this.#connect();
    this.#watch = setInterval(() => this.#renewWhenStuck(), WATCH_EVERY_MS);
    this.#watch.unref();
  }

  /** Joins the group; waits for Kafka and for the topics, for as long as it takes or until `close`. */
  async start(): Promise<void> {
    const link = this.#link;
    const { logger, topics } = this.#options;
    const isCurrent = (): boolean => link === this.#link && !this.#closing.signal.aborted;
    for (let attempt = 0; isCurrent(); attempt++) {
      try {
        await link.connection.run(link.consumer.connect());
        await link.connection.run(link.consumer.subscribe({ topics: [...topics], fromBeginning: true }));
        await link.connection.run(link.consumer.run(this.#runConfig(link)));
        return;
      } catch (error) {
        if (!isCurrent()) return;
        logger.warn({ err: error, topics, attempt }, 'The consumer cannot start yet; trying again');
        await sleep(backoffMs(attempt, 200, 5_000), this.#closing.signal);
      }
    }
  }

  /** Finishes or abandons what is in progress, and leaves the group, within `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    clearInterval(this.#watch);
    this.#membership.stop();
    // What nobody begins any more would be fetched again and again until the last handler has ended.
    this.pauses.pauseAll();
    const { consumer, connection } = this.#link;
    const started = performance.now();
    await within(timeoutMs, this.#allDone());
    const left = await within(
      Math.max(timeoutMs - (performance.now() - started), 500),
      consumer.disconnect().then(
        () => true,
        () => true,
      ),
    );
    if (!left) this.#options.logger.warn('The consumer could not leave its group in time; its session will expire');
    this.#endGeneration();
    this.pauses.assign([]);
    connection.cut();
  }

  /** What is handled has ended, and is committed. */
  async #allDone(): Promise<void> {
    await this.#background.allIdle();
    const generation = this.#membership.current;
    if (generation) await this.#commits.get(generation)?.flush();
  }

  /** Throws, with the reason, when this process is no working member of its group. */
  checkHealth(silentForMs: number, handlingForMs: number): void {
    const silent = this.#membership.silentMs;
    if (silent === Infinity) throw new Error('not a member of the group');
    if (silent > silentForMs) throw new Error(`no heartbeat for ${Math.round(silent / 1000)} s`);
    const oldest = Math.min(...this.#handling.values());
    if (performance.now() - oldest > handlingForMs) throw new Error('a batch does not come to an end');
    const generation = this.#membership.current;
    const behind = (generation && this.#commits.get(generation)?.behindMs) ?? 0;
    if (behind > handlingForMs) throw new Error('what is done cannot be committed');
  }

  get assigned(): readonly TopicPartition[] {
    return this.#membership.current?.partitions ?? [];
  }

  #runConfig(link: Link): ConsumerRunConfig {
    return {
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: this.#options.partitionsConcurrently,
      // A client that was given up still has batches of its last fetch, which its successor has fetched anew.
      eachBatch: async (payload) => (link === this.#link ? this.#eachBatch(payload) : undefined),
    };
  }

  /** Must throw nothing but what tells kafkajs to join again: it stops for good on a TypeError or a RangeError. */
  async #eachBatch(payload: EachBatchPayload): Promise<void> {
    const generation = this.#membership.assertMember();
    const at = { topic: payload.batch.topic, partition: payload.batch.partition };
    // With several brokers a fetch may have been under way while another one's made the member join again.
    if (!this.#membership.owns(generation, at)) return;
    // What is handled beside the fetch loop cannot tell kafkajs itself.
    await this.#assertStays(generation);
    const mayGoOn = (): boolean =>
      this.#membership.mayBegin(generation) && !this.pauses.isPaused(at) && payload.isRunning() && !payload.isStale();
    const work = (): Promise<void> => this.#handle(generation, payload, mayGoOn);
    if (this.#background.takes(at.topic, payload.batch.messages.length)) {
      this.pauses.hold(at);
      this.#background.run(at, async () => {
        await work();
        // Of the next generation it is held by nobody, or by a batch of its own, which waits for this one.
        if (this.#membership.current === generation) this.pauses.letGo(at);
      });
      return;
    }
    await this.#membership.during(
      generation,
      () => payload.heartbeat(),
      async () => {
        await this.#background.idle(at);
        await work();
        await this.#assertStays(generation);
      },
    );
  }

  async #handle(generation: Generation, payload: EachBatchPayload, mayGoOn: () => boolean): Promise<void> {
    const { batch } = payload;
    await generation.ready;
    if (!mayGoOn()) return;
    const handling = {};
    this.#handling.set(handling, performance.now());
    try {
      const done = async (offset: bigint): Promise<void> => this.#done(generation, payload, offset);
      await this.#options.process({ batch, signal: generation.signal, mayGoOn, done });
    } catch (error) {
      this.#afterFailure({ topic: batch.topic, partition: batch.partition }, error);
    } finally {
      this.#handling.delete(handling);
    }
  }

  #afterFailure(at: TopicPartition, error: unknown): void {
    if (error instanceof Stopped) return;
    const ms = this.pauses.backOff(at);
    const message = `Partition ${at.topic}/${at.partition} is paused for ${ms} ms, then tried again`;
    if (error instanceof InfrastructureFailure) this.#options.logger.warn({ err: error.cause, ...at }, message);
    else this.#options.logger.error({ err: error, ...at }, message);
  }

  /** The work is done: the partition goes on, and the commit follows. */
  async #done(generation: Generation, payload: EachBatchPayload, offset: bigint): Promise<void> {
    const { topic, partition } = payload.batch;
    if (generation.lost || this.#membership.current !== generation) throw new Stopped();
    payload.resolveOffset(String(offset));
    const commits = this.#commitsOf(generation);
    commits.add({ topic, partition }, offset + 1n, (offsets) =>
      this.#link.connection.run(payload.commitOffsetsIfNecessary(offsets)),
    );
    this.pauses.succeeded({ topic, partition });
    if (this.#closing.signal.aborted) await commits.flush();
  }

  #commitsOf(generation: Generation): OffsetCommits {
    let commits = this.#commits.get(generation);
    if (!commits) {
      commits = new OffsetCommits({
        generation,
        membership: this.#membership,
        closing: this.#closing.signal,
        logger: this.#options.logger,
      });
      this.#commits.set(generation, commits);
    }
    return commits;
  }

  /** Throws, when the member has to join again, what makes kafkajs do so; commits before what it can. */
  async #assertStays(generation: Generation): Promise<void> {
    if (generation.rejoin) await within(LAST_COMMIT_MS, this.#commits.get(generation)?.flush() ?? Promise.resolve());
    this.#membership.assertStays(generation);
  }

  #connect(): Link {
    const { settings, clientId, logger, groupId } = this.#options;
    const onLogEntry = (entry: LogEntry): void => sayLostRecords(entry, groupId, logger);
    const connection = new KafkaConnection({ settings, clientId, logger, retry: RIDE_OUT, onLogEntry });
    const consumer = connection.kafka.consumer(consumerConfig(this.#options));
    const link = { connection, consumer };
    this.#listen(link);
    return link;
  }

  /**
   * kafkajs can lose the timer that ends an unanswered request when a connection is made anew at the wrong moment (seen
   * with a broker that was stopped and went on); its consumer then waits for ever. A member that the group must have
   * given up long ago begins again with a new client.
   */
  #renewWhenStuck(): void {
    const { sessionTimeoutMs, rebalanceTimeoutMs } = this.#options;
    const stuck = this.#membership.current
      ? this.#membership.silentMs > sessionTimeoutMs + STUCK_AFTER_MS
      : performance.now() - this.#outSince > sessionTimeoutMs + rebalanceTimeoutMs + STUCK_AFTER_MS;
    if (!stuck) return;
    this.#options.logger.warn('The consumer has had no sign of life from its group; it begins again with a new client');
    this.#link.connection.cut();
    this.#endGeneration();
    this.#outSince = performance.now();
    this.#link = this.#connect();
    void this.start();
  }

  #listen(link: Link): void {
    const { groupId } = this.#options;
    const { consumer } = link;
    const { events } = consumer;
    const isCurrent = (): boolean => link === this.#link && !this.#closing.signal.aborted;
    // Also for who is leaving: what its last handlers finish is not to be committed for partitions that are others' now.
    const revoked = (): void => void (link === this.#link && this.#endGeneration());
    consumer.on(events.GROUP_JOIN, ({ payload }) => {
      if (link !== this.#link) return;
      revoked();
      const partitions = Object.entries(payload.memberAssignment).flatMap(([topic, assigned]) =>
        assigned.map((partition) => ({ topic, partition })),
      );
      // They are paused, like all that it had.
      if (!isCurrent()) return this.pauses.assign(partitions);
      consumerRebalances.inc({ group: groupId });
      this.#beginGeneration(partitions);
    });
    // What this listener throws, the heartbeat of kafkajs throws.
    consumer.on(events.HEARTBEAT, () => isCurrent() && this.#membership.heartbeat());
    consumer.on(events.REBALANCING, revoked);
    consumer.on(events.CRASH, ({ payload }) => {
      if (!isCurrent()) return;
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
    this.#outSince = performance.now();
    try {
      this.#options.onRevoked();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'onRevoked failed');
    }
  }
}
