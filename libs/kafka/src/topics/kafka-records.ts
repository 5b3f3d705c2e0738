import type { RawRecord } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { Admin } from 'kafkajs';
import { ASK_BRIEFLY, KafkaConnection, type KafkaSettings } from '../cluster/connection.js';
import { PartitionReader, type PartitionRange } from '../dead-letters/partition-reader.js';

/**
 * Reads what partitions hold at the time of the call, from the oldest record on, fetch by fetch and without a trace in any
 * group. Topics are declared names. Connects by itself; `close` ends the connection.
 */
export class KafkaRecords {
  readonly #prefix: string;
  readonly #connection: KafkaConnection;
  readonly #ranges = new Map<string, PartitionRange[] | undefined>();
  #connected: Promise<{ admin: Admin; reader: PartitionReader }> | undefined;

  constructor(options: { settings: KafkaSettings; logger: Logger }) {
    this.#prefix = options.settings.KAFKA_TOPIC_PREFIX;
    this.#connection = new KafkaConnection({ ...options, clientId: 'bongsu-records', retry: ASK_BRIEFLY });
  }

  /** The records of a partition; nothing where Kafka has no such topic or partition. Rejects when Kafka does not answer. */
  async *read(topic: string, partition: number): AsyncGenerator<RawRecord[]> {
    const range = (await this.#rangesOf(topic))?.find((each) => each.partition === partition);
    if (!range || range.low >= range.high) return;
    const { reader } = await this.#connect();
    const pages = reader.read(this.#prefix + topic, range);
    for (;;) {
      const page = await this.#connection.run(pages.next());
      if (page.done) return;
      yield page.value;
    }
  }

  close(): void {
    this.#connection.cut();
  }

  async #rangesOf(topic: string): Promise<PartitionRange[] | undefined> {
    if (!this.#ranges.has(topic)) {
      const { reader } = await this.#connect();
      this.#ranges.set(topic, await this.#connection.run(reader.ranges(this.#prefix + topic)));
    }
    return this.#ranges.get(topic);
  }

  #connect(): Promise<{ admin: Admin; reader: PartitionReader }> {
    return (this.#connected ??= (async () => {
      const admin = this.#connection.kafka.admin();
      await this.#connection.run(admin.connect());
      return { admin, reader: new PartitionReader(this.#connection.kafka, admin) };
    })());
  }
}
