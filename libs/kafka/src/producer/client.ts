import type { PRODUCER_SETTINGS, Settings } from '@bongsu/config';
import type { Logger } from '@bongsu/observability';
import type { CompressionTypes as Compression, Producer, RecordMetadata, TopicMessages } from 'kafkajs';
import { CompressionTypes } from '../cluster/kafkajs.js';
import { KafkaConnection, REQUEST_TIMEOUT_MS, RIDE_OUT, type KafkaSettings } from '../cluster/connection.js';

export type ProducerSettings = Settings<typeof PRODUCER_SETTINGS>;

/** From this many tries on, KAFKA_RETRIES means "for ever": its default is Kafka's own, 2147483647. */
const FOR_EVER = 1_000_000;

/** Leader changes show in metadata that is at most this old, milliseconds (kafka-client notes, point 4). */
const METADATA_MAX_AGE_MS = 2_000;

export interface SendPolicy {
  readonly acks: -1 | 0 | 1;
  readonly idempotent: boolean;
  /** Further tries after the first; undefined: for ever. */
  readonly retries: number | undefined;
}

/** Kafka's own meanings: a producer is idempotent only when all replicas acknowledge and failed sends are tried again. */
export function sendPolicy(settings: ProducerSettings): SendPolicy {
  const acks = settings.KAFKA_ACKS === '0' ? 0 : settings.KAFKA_ACKS === '1' ? 1 : -1;
  const retries = settings.KAFKA_RETRIES >= FOR_EVER ? undefined : settings.KAFKA_RETRIES;
  return { acks, retries, idempotent: acks === -1 && retries !== 0 };
}

/**
 * One kafkajs producer, that is one producer id and its sequence numbers. After a send that was rejected it must be
 * discarded: its sequence numbers no longer agree with the brokers', and what is sent next would be taken for a duplicate
 * (acknowledged, and lost) or be refused for ever.
 */
export class ProducerClient {
  readonly #connection: KafkaConnection;
  readonly #producer: Producer;
  readonly #policy: SendPolicy;
  readonly #compression: Compression;

  constructor(settings: KafkaSettings & ProducerSettings, clientId: string, logger: Logger) {
    this.#policy = sendPolicy(settings);
    this.#compression = settings.KAFKA_COMPRESSION === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None;
    const { retries, idempotent } = this.#policy;
    const retry = retries === undefined ? RIDE_OUT : { ...RIDE_OUT, retries };
    this.#connection = new KafkaConnection({ settings, clientId, logger, retry });
    this.#producer = this.#connection.kafka.producer({
      idempotent,
      retry,
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      // Every message comes with its partition: we must know it to compare it with what was acknowledged.
      createPartitioner: () => (args) => args.message.partition ?? 0,
    });
  }

  /** Connects and, when idempotent, gets a producer id. Rejects when that fails; the client is then of no use any more. */
  async connect(): Promise<void> {
    // Without its producer id an idempotent kafkajs producer would send as if it were none, so nothing is sent before.
    await this.#connection.run(this.#producer.connect());
  }

  /** What Kafka acknowledged; maybe not all partitions of what was sent (kafka-client notes, point 1). */
  async send(topicMessages: TopicMessages[]): Promise<RecordMetadata[]> {
    const { acks } = this.#policy;
    const timeout = REQUEST_TIMEOUT_MS - 500; // The broker's answer "timed out" comes before we stop waiting for it.
    return this.#connection.run(
      this.#producer.sendBatch({ acks, timeout, compression: this.#compression, topicMessages }),
    );
  }

  /** Cuts its connections at once, so that nothing that it still tries can reach a broker; pending calls reject. */
  discard(): void {
    this.#connection.cut();
  }
}
