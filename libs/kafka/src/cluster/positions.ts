import type { Group } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { Admin } from 'kafkajs';
import { groupIdOf } from '../consumer/strategy.js';
import { AdminLink } from './admin-link.js';
import type { KafkaSettings } from './connection.js';

/** A broker that is stopped takes connections and answers nothing. */
const ANSWER_WITHIN_MS = 3_000;

/**
 * Asks Kafka where partitions end and how far a group has come, over a connection that is kept. Topics are declared names;
 * answers are by `<topic>/<partition>`. Every question rejects when Kafka does not answer within a few seconds.
 */
export class KafkaPositions {
  readonly #settings: KafkaSettings;
  readonly #link: AdminLink;

  constructor(options: { settings: KafkaSettings; clientId: string; logger: Logger }) {
    this.#settings = options.settings;
    this.#link = new AdminLink(options);
  }

  /** The offset after the last record that consumers can see, of every partition. */
  async endOffsets(topics: readonly string[]): Promise<Map<string, bigint>> {
    const found = await this.#ask((admin) =>
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
    const found = await this.#ask((admin) =>
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

  /**
   * Makes a group forget its offsets, so that it begins with the oldest records that there are. Rejects while the group has
   * members.
   */
  async forget(group: Group): Promise<void> {
    await this.#ask((admin) => admin.deleteGroups([groupIdOf(this.#settings, group)]));
  }

  #ask<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    return this.#link.ask(work, ANSWER_WITHIN_MS);
  }

  close(): void {
    this.#link.close();
  }
}
