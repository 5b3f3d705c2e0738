import { KAFKA_SETTINGS, PRODUCER_SETTINGS, readSettings } from '@bongsu/config';
import * as contracts from '@bongsu/contracts';
import { decodeEvent, partitionFor, type EventRecord, type RawRecord, type TopicDeclaration } from '@bongsu/contracts';
import { DeadLetterTopics, KafkaProducer, readTopic, type RawOutgoingRecord } from '@bongsu/kafka';
import { createLogger } from '@bongsu/observability';
import { inject } from 'vitest';
import { readRelease } from '../../../tools/contracts/released.ts';
import { declarationOf, type Contracts, type GoldenRecord, type Snapshot } from '../../../tools/contracts/snapshot.ts';
import type { System } from '../../e2e/pipeline/system.js';

const logger = createLogger('test', 'fatal', { write: () => undefined });

/** A release's contracts beside a running system: its records to be put in, its schemas to be held against what comes out. */
export class Release {
  readonly snapshot: Snapshot;
  readonly #topics: ReadonlyMap<string, TopicDeclaration>;

  private constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    this.#topics = new Map(
      snapshot.topics.map((topic) => [
        topic.name,
        declarationOf(contracts as unknown as Contracts, topic) as unknown as TopicDeclaration,
      ]),
    );
  }

  static async read(version: string): Promise<Release> {
    return new Release(await readRelease(version));
  }

  golden(name: string): GoldenRecord {
    const found = this.snapshot.records.find((record) => record.name === name);
    if (!found) throw new Error(`${this.snapshot.version} has no golden record "${name}"`);
    return found;
  }

  /** The notification of a golden request. */
  idOf(request: string): string {
    return this.golden(`request: ${request}`).headers['ce_subject'] ?? '';
  }

  /** Puts golden records where the release's producer put them, to the byte. */
  async produce(system: System, records: readonly GoldenRecord[] = this.snapshot.records): Promise<void> {
    const producer = new KafkaProducer({ settings: settingsOf(system), clientId: 'golden', logger });
    try {
      await producer.connect();
      await producer.sendRaw(records.map(rawOutgoing));
    } finally {
      await producer.close();
    }
  }

  /** Reads a topic as a consumer of this release reads it. Throws where that would dead-letter. */
  async decode(system: System, topicName: string): Promise<EventRecord[]> {
    const topic = this.#topics.get(topicName);
    if (!topic) throw new Error(`${this.snapshot.version} has no topic ${topicName}`);
    return (await recordsIn(system, topicName)).map((raw) => {
      const record = decodeEvent(topic, raw);
      if (raw.partition !== partitionFor(record.key, topic.partitions))
        throw new Error(`${topicName}/${raw.partition} is not where ${this.snapshot.version} looks for ${record.key}`);
      return record;
    });
  }
}

const rawOutgoing = ({ topic, partition, key, headers, value }: GoldenRecord): RawOutgoingRecord => ({
  topic,
  partition,
  key: Buffer.from(key),
  value: Buffer.from(value),
  headers,
});

const settingsOf = (system: System) =>
  readSettings(
    { ...KAFKA_SETTINGS, ...PRODUCER_SETTINGS },
    { KAFKA_BROKERS: inject('bongsu').kafkaBrokers, KAFKA_TOPIC_PREFIX: system.prefix },
  );

/** Every record of a topic, by its declared name. */
export const recordsIn = (system: System, topic: string): Promise<RawRecord[]> =>
  readTopic({ settings: settingsOf(system), topic, logger });

/** Dead-letter topics that are not empty, with what is wrong with the newest record of each. */
export async function deadLetters(system: System): Promise<unknown[]> {
  const topics = new DeadLetterTopics({ settings: settingsOf(system), logger });
  try {
    const filled = (await topics.list()).filter(({ records }) => records > 0);
    return await Promise.all(filled.map(async (topic) => [topic.name, ...(await topics.newest(topic, 3))]));
  } finally {
    topics.close();
  }
}
