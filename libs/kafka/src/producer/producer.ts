import { BongsuError, partitionFor, type ErrorCode, type OutgoingRecord } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { tracing } from '@bongsu/tracing';
import { sleep, within } from '../cluster/backoff.js';
import { AdminLink } from '../cluster/admin-link.js';
import { producedRecords, producerBatchRecords } from '../metrics.js';
import { Availability } from './availability.js';
import { BatchSender, countAcknowledged, reject } from './batch-sender.js';
import { PendingRecords } from './pending-records.js';
import { DEFAULTS, LIMITS, type KafkaProducerOptions } from './options.js';
import { BATCH_OVERHEAD_BYTES, encodedBytes, tooLarge, UNKNOWN } from './record.js';
import type { Entry, Group, RawOutgoingRecord, RecordMetadata } from './record.js';
import { sendOneTraced, sendTraced } from './send-spans.js';
import { TopicCatalog } from './topic-catalog.js';

/**
 * The one producer of a process. What arrives while a send is in flight is the next batch; there is never more than one
 * send in flight, and it is never given up unless KAFKA_RETRIES says so (docs/adr/0004-producer-one-send-in-flight.md).
 *
 * Rejections are BongsuErrors: `record_key_missing`, `record_too_large`, `topic_unknown`, `producer_buffer_full` and
 * `shutting_down` mean that the record was not sent. `kafka_unavailable` means that it was not acknowledged in time: a
 * record that still waited is dropped, but one that was in flight may be, or may yet become, part of the log. A caller who
 * tries again should use the same record id.
 */
export class KafkaProducer {
  readonly #settings: KafkaProducerOptions['settings'];
  readonly #logger: Logger;
  readonly #spans: { readonly prefix: string; readonly clientId: string };
  readonly #deliveryTimeoutMs: number;
  readonly #closeTimeoutMs: number;
  readonly #catalog: TopicCatalog;
  readonly #sender: BatchSender;
  readonly #pending = new PendingRecords();
  readonly #kafka: Availability;
  readonly #closing = new AbortController();
  #inFlight: readonly Entry[] = [];
  #drain: NodeJS.Immediate | NodeJS.Timeout | undefined;
  #draining = false;
  #connecting: Promise<void> | undefined;
  #sweep: NodeJS.Timeout | undefined;
  #looking = false;
  #restartedAt = -Infinity;

  constructor(options: KafkaProducerOptions) {
    const { settings, clientId, logger } = options;
    this.#settings = settings;
    this.#logger = logger;
    this.#spans = { prefix: settings.KAFKA_TOPIC_PREFIX, clientId };
    this.#deliveryTimeoutMs = options.deliveryTimeoutMs ?? DEFAULTS.deliveryTimeoutMs;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? DEFAULTS.closeTimeoutMs;
    this.#kafka = new Availability(this.#deliveryTimeoutMs, logger);
    const link = new AdminLink({ settings, clientId: `${clientId}-topics`, logger });
    const maxAgeMs = options.topicsMaxAgeMs ?? DEFAULTS.topicsMaxAgeMs;
    this.#catalog = new TopicCatalog(link, settings.KAFKA_TOPIC_PREFIX, logger, maxAgeMs);
    this.#sender = new BatchSender(settings, clientId, logger);
  }

  /** Starts connecting and resolves at once, also when Kafka is away: it is tried again until `close`. */
  async connect(): Promise<void> {
    if (this.#sweep) return;
    this.#sweep = setInterval(() => this.#expire(), LIMITS.sweepEveryMs);
    this.#sweep.unref();
    this.#kafka.asked();
    this.#connecting = this.#sender.connect().then(() => this.#answered());
    void this.#kafka.probe(() => this.#catalog.probe(), this.#closing.signal);
  }

  /** False from when Kafka has owed an answer for longer than the delivery timeout until it answers again. */
  get available(): boolean {
    return !this.#closing.signal.aborted && this.#kafka.available;
  }

  /** Sends one record; resolves when all in-sync replicas have it. */
  send(record: OutgoingRecord): Promise<RecordMetadata> {
    return tracing.isOn ? sendOneTraced(record, this.#spans, (each) => this.#sendOne(each)) : this.#sendOne(record);
  }

  /**
   * Sends records in order and resolves when all are acknowledged. Rejects with the first error; no record of the list
   * that waits behind the failed one is then sent, so that sending the whole list again keeps the order.
   */
  sendAll(records: readonly OutgoingRecord[]): Promise<RecordMetadata[]> {
    if (!tracing.isOn) return this.#acceptAll(records);
    return sendTraced(records, this.#spans, (each) => this.#acceptAll(each));
  }

  /** Bytes of values, a whole number, that `sendAll` has room for unless others fill the buffer: those who send lists keep theirs below it. */
  get listBytes(): number {
    return Math.min(LIMITS.listBytes, Math.floor(this.#settings.KAFKA_BUFFER_MEMORY / 4));
  }

  /** Sends records as they are to given partitions, keyless ones too: for dead letters. In order, all or rejected. */
  sendRaw(records: readonly RawOutgoingRecord[]): Promise<RecordMetadata[]> {
    return this.#acceptAll(records);
  }

  /** Resolves when nothing waits or is in flight. */
  async flush(): Promise<void> {
    while (this.#pending.size > 0 || this.#inFlight.length > 0) await this.#pending.idle();
  }

  /** Refuses new records, waits a bounded time for what is on its way, and rejects the rest. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await within(this.#closeTimeoutMs, this.flush());
    clearInterval(this.#sweep);
    const left = this.#pending.size + this.#inFlight.length;
    if (left > 0) this.#logger.error({ records: left }, 'Shutting down with records that Kafka did not acknowledge');
    this.#refuseAll(this.#pending.takeAll(), 'shutting_down');
    this.#sender.close();
    this.#catalog.close();
    await this.#connecting;
  }

  #sendOne(record: OutgoingRecord): Promise<RecordMetadata> {
    return new Promise((resolve, reject) => this.#accept(record, undefined, resolve, reject));
  }

  #acceptAll(records: readonly (OutgoingRecord | RawOutgoingRecord)[]): Promise<RecordMetadata[]> {
    if (records.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const results: RecordMetadata[] = Array.from({ length: records.length });
      const group: Group = { failed: false };
      let left = records.length;
      for (const [index, record] of records.entries()) {
        const done = (metadata: RecordMetadata): void => {
          results[index] = metadata;
          if (--left === 0) resolve(results);
        };
        this.#accept(record, group, done, reject);
        if (group.failed) return;
      }
    });
  }

  #accept(
    record: OutgoingRecord | RawOutgoingRecord,
    group: Group | undefined,
    resolve: Entry['resolve'],
    reject: Entry['reject'],
  ): void {
    const topic = this.#catalog.topic(record.topic);
    const partition = 'partition' in record ? record.partition : -1;
    const bytes = encodedBytes(record);
    const refusal = this.#refusal(record, bytes);
    if (refusal) {
      if (group) group.failed = true;
      producedRecords.inc({ topic: topic.name, result: 'refused' });
      reject(new BongsuError(refusal));
      return;
    }
    const message = { key: record.key, value: record.value, headers: record.headers, partition };
    this.#pending.add({ topic, message, bytes, at: performance.now(), group, resolve, reject, state: 'open' });
    this.#schedule();
  }

  #refusal(record: OutgoingRecord | RawOutgoingRecord, bytes: number): ErrorCode | undefined {
    if (!('partition' in record) && !record.key) return 'record_key_missing';
    if (this.#closing.signal.aborted) return 'shutting_down';
    if (!this.available) return 'kafka_unavailable';
    if (this.#pending.bytes + bytes > this.#settings.KAFKA_BUFFER_MEMORY) return 'producer_buffer_full';
    return undefined;
  }

  /** Not at once: what other callers hand in during this turn of the event loop then goes along. */
  #schedule(): void {
    if (this.#draining || this.#drain) {
      if (this.#settings.KAFKA_LINGER_MS > 0 && !this.#draining && this.#batchIsFull()) this.#startDrain();
      return;
    }
    const linger = this.#settings.KAFKA_LINGER_MS;
    this.#drain = linger > 0 ? setTimeout(() => this.#startDrain(), linger) : setImmediate(() => this.#startDrain());
  }

  #batchIsFull(): boolean {
    return this.#pending.size >= LIMITS.batchRecords || this.#pending.bytes >= this.#settings.KAFKA_BATCH_SIZE;
  }

  #startDrain(): void {
    clearTimeout(this.#drain as NodeJS.Timeout);
    this.#drain = undefined;
    if (this.#draining) return;
    this.#draining = true;
    void this.#sendPending().finally(() => {
      this.#draining = false;
      this.#kafka.rest();
      this.#pending.notifyIdle();
      if (this.#pending.size > 0) this.#schedule();
    });
  }

  async #sendPending(): Promise<void> {
    while (this.#pending.size > 0) {
      this.#kafka.asked();
      if (!(await this.#topicsKnown())) continue;
      const batch = this.#pending.takeBatch(LIMITS.batchRecords, this.#settings.KAFKA_BATCH_SIZE, (entry) =>
        this.#prepare(entry),
      );
      if (batch.length === 0) continue;
      this.#inFlight = batch;
      producerBatchRecords.observe(batch.length);
      await this.#sender.deliver(batch);
      this.#inFlight = [];
      this.#pending.release(batch);
      countAcknowledged(batch);
      this.#answered();
      // A linger was asked for, so the next batch waits for its own.
      if (this.#settings.KAFKA_LINGER_MS > 0 && !this.#batchIsFull() && !this.#closing.signal.aborted) return;
    }
  }

  /** Learns the partitions of the next record's topic when they are not known. False: look again. */
  async #topicsKnown(): Promise<boolean> {
    const topic = this.#pending.first()?.topic;
    if (!topic) return false;
    if (topic.partitions > 0) {
      this.#catalog.refreshWhenOld(topic);
      return true;
    }
    try {
      const known = await this.#catalog.load(topic);
      this.#answered();
      if (known) return true;
      this.#refuseAll(this.#pending.takeTopic(topic), 'topic_unknown', `Topic ${topic.name} does not exist`);
    } catch (error) {
      if (this.#closing.signal.aborted) this.#refuseAll(this.#pending.takeAll(), 'shutting_down');
      this.#logger.debug({ err: error, topic: topic.name }, 'The partitions of a topic cannot be learnt; trying again');
      this.#kafka.asked();
      await sleep(200);
    }
    return false;
  }

  /** Chooses the partition; 'stop' ends the batch before this entry, 'drop' means that it has had its answer. */
  #prepare(entry: Entry): 'take' | 'stop' | 'drop' {
    const { topic, message } = entry;
    if (entry.state !== 'open') return 'drop';
    if (topic.partitions === 0) return 'stop';
    if (entry.group?.failed) {
      reject(entry, new BongsuError('kafka_unavailable', 'A record that was handed in before it failed'));
      return 'drop';
    }
    if (entry.bytes + BATCH_OVERHEAD_BYTES > topic.maxMessageBytes) {
      reject(entry, new BongsuError('record_too_large', tooLarge(entry)));
      return 'drop';
    }
    if (message.partition < 0)
      message.partition = partitionFor(message.key as string, topic.partitions, this.#settings.KAFKA_PINNED_KEYS);
    else message.partition %= topic.partitions;
    return 'take';
  }

  #answered(): void {
    if (!this.#closing.signal.aborted) this.#kafka.answered(this.#pending.size > 0);
  }

  /** Tells callers who have waited too long. One timer for all of them: a timer per record would cost more than the send. */
  #expire(): void {
    if (this.#kafka.announce()) void this.#lookAtStuckSend();
    const before = performance.now() - this.#deliveryTimeoutMs;
    this.#refuseAll(this.#pending.takeOlderThan(before), 'kafka_unavailable');
    for (const entry of this.#inFlight) {
      if (entry.at > before) break;
      reject(entry, new BongsuError('kafka_unavailable', UNKNOWN));
    }
  }

  /**
   * A send that is not acknowledged may be one to a topic that was deleted, or one of those that kafkajs forgets to time
   * out; either would hold up everything behind it for ever. When Kafka answers others, it is begun anew.
   */
  async #lookAtStuckSend(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await sleep(LIMITS.lookEveryMs, this.#closing.signal);
      const topics = new Set(this.#inFlight.map((entry) => entry.topic));
      for (const topic of topics) if (!(await this.#catalog.load(topic))) return this.#sender.restart();
      const now = performance.now();
      if (
        topics.size === 0 ||
        this.#kafka.waitedMs < LIMITS.stuckAfterMs ||
        now - this.#restartedAt < LIMITS.stuckAfterMs
      )
        return;
      this.#restartedAt = now;
      this.#sender.restart();
    } catch {
      // Kafka is away, so that is what the send waits for.
    } finally {
      this.#looking = false;
    }
  }

  #refuseAll(entries: readonly Entry[], code: ErrorCode, detail?: string): void {
    for (const entry of entries) reject(entry, new BongsuError(code, detail));
    if (entries.length > 0) this.#pending.notifyIdle();
  }
}
