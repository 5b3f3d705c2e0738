import type { Group } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { Admin } from 'kafkajs';
import { groupIdOf } from '../consumer/strategy.js';
import { ASK_BRIEFLY, KafkaConnection, type KafkaSettings } from './connection.js';

/** A broker that is stopped takes connections and answers nothing. */
const ANSWER_WITHIN_MS = 3_000;

interface Link {
  readonly connection: KafkaConnection;
  readonly admin: Promise<Admin>;
}

/**
 * Asks Kafka where partitions end and how far a group has come, over a connection that is kept. Topics are declared names;
 * answers are by `<topic>/<partition>`. Every question rejects when Kafka does not answer within a few seconds.
 */
export class KafkaPositions {
  readonly #settings: KafkaSettings;
  readonly #clientId: string;
  readonly #logger: Logger;
  #link: Link | undefined;

  constructor(options: { settings: KafkaSettings; clientId: string; logger: Logger }) {
    this.#settings = options.settings;
    this.#clientId = options.clientId;
    this.#logger = options.logger;
  }

  /** The offset after the last record that consumers can see, of every partition. */
  async endOffsets(topics: readonly string[]): Promise<Map<string, bigint>> {
    const found = await this.#with((admin) =>
      Promise.all(
        topics.map(async (topic) => ({
          topic,
          ends: await admin.fetchTopicOffsets(this.#settings.KAFKA_TOPIC_PREFIX + topic),
        })),
      ),
    );
    return new Map(
      found.flatMap(({ topic, ends }) =>
        ends.map(({ partition, high }) => [`${topic}/${partition}`, BigInt(high)] as const),
      ),
    );
  }

  /** The offset that a group reads next; partitions that it has committed nothing of are left out. */
  async committedOffsets(group: Group, topics: readonly string[]): Promise<Map<string, bigint>> {
    const prefix = this.#settings.KAFKA_TOPIC_PREFIX;
    const groupId = groupIdOf(this.#settings, group);
    const found = await this.#with((admin) =>
      admin.fetchOffsets({ groupId, topics: topics.map((topic) => prefix + topic) }),
    );
    return new Map(
      found.flatMap(({ topic, partitions }) =>
        partitions
          .filter(({ offset }) => Number(offset) >= 0)
          .map(({ partition, offset }) => [`${topic.slice(prefix.length)}/${partition}`, BigInt(offset)] as const),
      ),
    );
  }

  close(): void {
    this.#link?.connection.cut();
    this.#link = undefined;
  }

  /** After a failure the next question goes over a new connection: kafkajs keeps some that are dead. */
  async #with<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const link = (this.#link ??= this.#open());
    const late = setTimeout(() => link.connection.cut(), ANSWER_WITHIN_MS);
    try {
      return await link.connection.run(link.admin.then(work));
    } catch (error) {
      link.connection.cut();
      if (this.#link === link) this.#link = undefined;
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  #open(): Link {
    const connection = new KafkaConnection({
      settings: this.#settings,
      clientId: this.#clientId,
      logger: this.#logger,
      retry: ASK_BRIEFLY,
    });
    const admin = connection.kafka.admin();
    return { connection, admin: connection.run(admin.connect()).then(() => admin) };
  }
}
