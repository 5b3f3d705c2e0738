import { Kafka, logLevel, type Admin, type Consumer, type KafkaMessage } from 'kafkajs';
import { GateError } from './arm.ts';

/** The bench's own way to Kafka: topics, and what is in them. */
export class Topics {
  readonly #kafka: Kafka;
  readonly #admin: Admin;

  private constructor(brokers: string) {
    this.#kafka = new Kafka({ brokers: brokers.split(','), clientId: 'bench', logLevel: logLevel.ERROR });
    this.#admin = this.#kafka.admin();
  }

  static async connect(brokers: string): Promise<Topics> {
    const topics = new Topics(brokers);
    await topics.#admin.connect();
    return topics;
  }

  async create(names: readonly string[], partitions: number): Promise<void> {
    await this.#admin.createTopics({
      waitForLeaders: true,
      topics: names.map((topic) => ({ topic, numPartitions: partitions, replicationFactor: 1 })),
    });
  }

  /** How many records were ever written to the topic. */
  async written(topic: string): Promise<number> {
    const offsets = await this.#admin.fetchTopicOffsets(topic);
    return offsets.reduce((sum, { high }) => sum + Number(high), 0);
  }

  reader(topic: string, idOf: (message: KafkaMessage) => string): IdReader {
    return new IdReader(this.#kafka, topic, idOf);
  }

  async close(): Promise<void> {
    await this.#admin.disconnect();
  }
}

/** Reads a topic's ids between rounds, and rests while something is measured. */
export class IdReader {
  readonly #topic: string;
  readonly #consumer: Consumer;
  readonly #idOf: (message: KafkaMessage) => string;
  readonly #ids: string[] = [];
  #started = false;

  constructor(kafka: Kafka, topic: string, idOf: (message: KafkaMessage) => string) {
    this.#topic = topic;
    this.#idOf = idOf;
    this.#consumer = kafka.consumer({ groupId: `bench-${topic}-${process.pid}`, sessionTimeout: 60_000 });
  }

  /**
   * Reads on until `expected` ids have come since the last call and nothing else follows; compares them.
   * @throws GateError when one is missing, came twice or was not expected
   */
  async check(expected: readonly string[], written: number): Promise<void> {
    if (this.#started) this.#consumer.resume([{ topic: this.#topic }]);
    else await this.#start();
    for (let waited = 0; this.#ids.length < written; waited += 20) {
      if (waited > 60_000)
        throw new GateError(`${this.#topic}: ${this.#ids.length} of ${written} records could be read`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.#consumer.pause([{ topic: this.#topic }]);
    const got = this.#ids.splice(0);
    compareIds(this.#topic, expected, got);
  }

  async close(): Promise<void> {
    await this.#consumer.disconnect();
  }

  async #start(): Promise<void> {
    this.#started = true;
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic: this.#topic, fromBeginning: true });
    await this.#consumer.run({
      eachBatch: ({ batch }) => {
        for (const message of batch.messages) this.#ids.push(this.#idOf(message));
        return Promise.resolve();
      },
    });
  }
}

/** @throws GateError unless each of `expected` is in `got` exactly once, and nothing else is */
export function compareIds(where: string, expected: readonly string[], got: readonly string[]): void {
  const found = new Set(got);
  const wanted = new Set(expected);
  const lost = expected.filter((id) => !found.has(id)).length;
  const unknown = got.filter((id) => !wanted.has(id)).length;
  const twice = got.length - found.size;
  if (lost + unknown + twice > 0)
    throw new GateError(
      `${where}: of ${expected.length} ids ${lost} are lost, ${twice} came twice, ${unknown} are unknown`,
    );
}
