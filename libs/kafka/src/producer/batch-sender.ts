import { BongsuError, type ErrorCode } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { RecordMetadata as KafkaAnswer, TopicMessages } from 'kafkajs';
import { backoffMs, sleep } from '../cluster/backoff.js';
import { brokerErrorType, type KafkaSettings } from '../cluster/connection.js';
import { isLoginRefused } from '../cluster/refusals.js';
import { producedRecords, producersDiscarded, shortAcknowledgements } from '../metrics.js';
import { ProducerClient, sendPolicy, type ProducerSettings, type SendPolicy } from './client.js';
import type { Entry, RecordMetadata } from './record.js';

/** What brokers answer when one record, or one partition's share of a batch, is too large for its topic. */
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);
/** A batch that was refused this often, by fresh producers, is taken apart to find the record that it is refused for. */
const REFUSALS_BEFORE_SPLIT = 3;
/** The longest wait after a refused log-in: brokers count and log each of them. */
const REFUSED_WAIT_MS = 5_000;

/**
 * Sends one batch at a time until each of its records is acknowledged or refused for a reason of its own. Why it is built
 * like this: docs/adr/0004-producer-one-send-in-flight.md.
 */
export class BatchSender {
  readonly #policy: SendPolicy;
  readonly #create: () => ProducerClient;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #client: ProducerClient | undefined;
  #restarting = false;
  /** The connecting that began before the first batch: a second one beside it would make a second producer. */
  #ahead: Promise<void> | undefined;

  constructor(settings: KafkaSettings & ProducerSettings, clientId: string, logger: Logger) {
    this.#policy = sendPolicy(settings);
    this.#create = () => new ProducerClient(settings, clientId, logger);
    this.#logger = logger;
  }

  /** Connects ahead of the first batch. Resolves when Kafka has been reached, or the sender was closed. */
  connect(): Promise<void> {
    return (this.#ahead ??= this.#connected(undefined).then(
      () => undefined,
      () => undefined,
    ));
  }

  /** Settles every entry; never rejects. Must not be called again before it has resolved. */
  async deliver(entries: readonly Entry[]): Promise<void> {
    let pending = entries;
    for (let refusals = 0; pending.length > 0;) {
      try {
        await this.#ahead;
        const client = await this.#connected(this.#policy.retries);
        const missing = this.#settle(pending, await client.send(byTopic(pending)));
        if (missing.length > 0) this.#noteShort(pending, missing);
        pending = missing;
      } catch (error) {
        this.#discard(error);
        // Cut by ourselves: Kafka has refused nothing.
        if (!this.#restarting) refusals++;
        this.#restarting = false;
        pending = await this.#afterRefusal(pending, error, refusals);
      }
    }
  }

  /**
   * Cuts the send that is under way and begins it anew with what can still be sent. For a topic that was deleted: kafkajs
   * would try it for ever, with every other topic waiting behind it.
   */
  restart(): void {
    this.#restarting = this.#client !== undefined;
    this.#client?.discard();
  }

  /** Gives up the send that is under way, if there is one; its records are rejected. */
  close(): void {
    this.#closing.abort();
    this.#client?.discard();
    this.#client = undefined;
  }

  async #connected(retries: number | undefined): Promise<ProducerClient> {
    for (let attempt = 0; !this.#client; attempt++) {
      if (this.#closing.signal.aborted) throw new BongsuError('shutting_down');
      const client = this.#create();
      const giveUp = (): void => client.discard();
      this.#closing.signal.addEventListener('abort', giveUp, { once: true });
      try {
        await client.connect();
        this.#client = client;
      } catch (cause) {
        client.discard();
        if (retries !== undefined && attempt >= retries) throw cause;
        // Of a refused log-in the connection has told what to mend; it is tried again for when that has happened.
        const refused = isLoginRefused(cause);
        this.#logger[refused ? 'debug' : 'warn']({ err: cause, attempt }, 'Kafka cannot be reached; trying again');
        await sleep(backoffMs(attempt, 100, refused ? REFUSED_WAIT_MS : 1_000), this.#closing.signal);
      } finally {
        this.#closing.signal.removeEventListener('abort', giveUp);
      }
    }
    return this.#client;
  }

  #discard(error: unknown): void {
    if (!this.#client) return;
    this.#client.discard();
    this.#client = undefined;
    producersDiscarded.inc();
    if (!this.#closing.signal.aborted)
      this.#logger.warn({ err: error }, 'A send was rejected; its producer is discarded and a new one made');
  }

  /** What is left to send after a rejection: all of it again, or nothing because each record has had its answer. */
  async #afterRefusal(batch: readonly Entry[], error: unknown, refusals: number): Promise<readonly Entry[]> {
    const type = brokerErrorType(error);
    const gone = batch.filter((entry) => entry.topic.partitions === 0);
    if (gone.length > 0) refuse(gone, 'topic_unknown', 'The topic was deleted', error);
    const pending = batch.filter((entry) => entry.topic.partitions > 0);
    if (pending.length === 0) return pending;
    if (this.#closing.signal.aborted) {
      return refuse(pending, 'kafka_unavailable', 'The service shut down before Kafka acknowledged', error);
    }
    if (type !== undefined && TOO_LARGE.has(type)) {
      if (pending.length === 1) return refuse(pending, 'record_too_large', undefined, error);
      return this.#halves(pending);
    }
    if (this.#policy.retries !== undefined) {
      return refuse(pending, 'kafka_unavailable', `Given up after ${this.#policy.retries} retries`, error);
    }
    if (refusals < REFUSALS_BEFORE_SPLIT) {
      await sleep(backoffMs(refusals, 100, 1_000), this.#closing.signal);
      return pending;
    }
    if (pending.length === 1) return refuse(pending, 'kafka_unavailable', `Kafka refuses the record: ${type}`, error);
    return this.#halves(pending);
  }

  /** In order, so that the neighbours of the record at fault keep theirs. They may be in the log twice afterwards. */
  async #halves(pending: readonly Entry[]): Promise<readonly Entry[]> {
    const middle = pending.length >> 1;
    await this.deliver(pending.slice(0, middle));
    await this.deliver(withoutFailedGroups(pending.slice(middle)));
    return [];
  }

  /** Resolves the entries whose partition was acknowledged, and returns the others. */
  #settle(entries: readonly Entry[], answers: readonly KafkaAnswer[]): readonly Entry[] {
    if (this.#policy.acks === 0) {
      for (const entry of entries) resolve(entry, -1n);
      return [];
    }
    const offsets = new Map<string, Map<number, bigint>>();
    for (const { topicName, partition, baseOffset } of answers) {
      let partitions = offsets.get(topicName);
      if (!partitions) offsets.set(topicName, (partitions = new Map()));
      const offset = BigInt(baseOffset ?? -1);
      if (offset > (partitions.get(partition) ?? -2n)) partitions.set(partition, offset);
    }
    const missing: Entry[] = [];
    for (const entry of entries) {
      const partitions = offsets.get(entry.topic.name);
      const offset = partitions?.get(entry.message.partition);
      if (partitions === undefined || offset === undefined) {
        missing.push(entry);
        continue;
      }
      resolve(entry, offset);
      if (offset >= 0n) partitions.set(entry.message.partition, offset + 1n);
    }
    return missing;
  }

  #noteShort(sent: readonly Entry[], missing: readonly Entry[]): void {
    shortAcknowledgements.inc();
    this.#logger.warn(
      { sent: sent.length, missing: missing.length, topics: [...new Set(missing.map((entry) => entry.topic.name))] },
      'Kafka acknowledged only some partitions of a send; the others are sent again before anything newer',
    );
  }
}

function byTopic(entries: readonly Entry[]): TopicMessages[] {
  const topics = new Map<string, TopicMessages>();
  for (const entry of entries) {
    const topic = topics.get(entry.topic.name);
    if (topic) topic.messages.push(entry.message);
    else topics.set(entry.topic.name, { topic: entry.topic.name, messages: [entry.message] });
  }
  return [...topics.values()];
}

function resolve(entry: Entry, offset: bigint): void {
  if (entry.state !== 'open') return;
  entry.state = 'acknowledged';
  const metadata: RecordMetadata = { topic: entry.topic.declared, partition: entry.message.partition, offset };
  entry.resolve(metadata);
}

/** Answers the caller with an error, once; what was handed in together with it and is not sent yet must not be sent. */
export function reject(entry: Entry, error: BongsuError): void {
  if (entry.group) entry.group.failed = true;
  if (entry.state !== 'open') return;
  entry.state = 'failed';
  const unavailable = error.code === 'kafka_unavailable' || error.code === 'shutting_down';
  producedRecords.inc({ topic: entry.topic.name, result: unavailable ? 'unavailable' : 'refused' });
  entry.reject(error);
}

/** One count per topic and batch: one per record would be a tenth of the send. */
export function countAcknowledged(batch: readonly Entry[]): void {
  const counts = new Map<string, number>();
  for (const { topic, state } of batch)
    if (state === 'acknowledged') counts.set(topic.name, (counts.get(topic.name) ?? 0) + 1);
  for (const [topic, count] of counts) producedRecords.inc({ topic, result: 'acknowledged' }, count);
}

function refuse(
  entries: readonly Entry[],
  code: ErrorCode,
  detail: string | undefined,
  cause: unknown,
): readonly Entry[] {
  for (const entry of entries) reject(entry, new BongsuError(code, detail, { cause }));
  return [];
}

/** Drops, with an error, what must not overtake a record that it was handed in with and that failed. */
export function withoutFailedGroups(entries: readonly Entry[]): readonly Entry[] {
  return entries.filter((entry) => {
    if (!entry.group?.failed) return true;
    reject(entry, new BongsuError('kafka_unavailable', 'A record that was handed in before it failed'));
    return false;
  });
}
