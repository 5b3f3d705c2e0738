import { readFileSync } from 'node:fs';
import type { KafkaSettings } from '@bongsu/kafka';
import type { Admin } from 'kafkajs';
import { Kafka, logLevel } from '../../../libs/kafka/src/cluster/kafkajs.js';
import {
  lowLevelCluster,
  type LowLevelBroker,
  type LowLevelCluster,
} from '../../../libs/kafka/src/cluster/low-level.js';

interface ProbedBroker extends LowLevelBroker {
  produce(request: {
    acks: number;
    topicData: { topic: string; partitions: { partition: number; messages: { key: string; value: string }[] }[] }[];
  }): Promise<unknown>;
  offsetFetch(request: { groupId: string; topics: OffsetsOf[] }): Promise<unknown>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: OffsetsOf[];
  }): Promise<unknown>;
}
interface OffsetsOf {
  readonly topic: string;
  readonly partitions: { partition: number; offset?: string; metadata?: string }[];
}

/** Tries single requests, as no service of ours would send them, and says how the broker refuses each. */
export class Probe {
  readonly admin: Admin;
  readonly #cluster: LowLevelCluster;
  readonly #broker: ProbedBroker;

  private constructor(admin: Admin, cluster: LowLevelCluster, broker: ProbedBroker) {
    this.admin = admin;
    this.#cluster = cluster;
    this.#broker = broker;
  }

  static async as(settings: KafkaSettings): Promise<Probe> {
    const kafka = new Kafka({
      clientId: 'probe',
      brokers: [...settings.KAFKA_BROKERS],
      logLevel: logLevel.NOTHING,
      retry: { retries: 1 },
      ssl: { ca: readFileSync(settings.KAFKA_SSL_CA_FILE ?? '', 'utf8') },
      sasl: {
        mechanism: 'scram-sha-512',
        username: settings.KAFKA_SASL_USERNAME ?? '',
        password: settings.KAFKA_SASL_PASSWORD ?? '',
      },
    });
    const admin = kafka.admin();
    await admin.connect();
    const cluster = lowLevelCluster(kafka);
    await cluster.connect();
    await cluster.refreshMetadata();
    return new Probe(admin, cluster, (await cluster.findBroker({ nodeId: 1 })) as ProbedBroker);
  }

  async close(): Promise<void> {
    await this.admin.disconnect();
    await (this.#cluster as unknown as { disconnect(): Promise<void> }).disconnect();
  }

  write(topic: string): Promise<string> {
    const messages = [{ key: 'probe', value: '{}' }];
    return refusalOf(
      this.#broker.produce({ acks: -1, topicData: [{ topic, partitions: [{ partition: 0, messages }] }] }),
    );
  }

  read(topic: string): Promise<string> {
    return refusalOf(
      this.#broker.fetch({
        replicaId: -1,
        isolationLevel: 1,
        maxWaitTime: 0,
        minBytes: 0,
        maxBytes: 1_000,
        topics: [{ topic, partitions: [{ partition: 0, fetchOffset: '0', maxBytes: 1_000 }] }],
      }),
    );
  }

  describeGroup(groupId: string, topic: string): Promise<string> {
    return refusalOf(this.#broker.offsetFetch({ groupId, topics: [{ topic, partitions: [{ partition: 0 }] }] }));
  }

  /** What a member, or an operator who remembers a position, does to a group. */
  commit(groupId: string, topic: string): Promise<string> {
    const topics = [{ topic, partitions: [{ partition: 0, offset: '0', metadata: '' }] }];
    return refusalOf(this.#broker.offsetCommit({ groupId, groupGenerationId: -1, memberId: '', topics }));
  }

  deleteGroup(groupId: string): Promise<string> {
    return refusalOf(this.admin.deleteGroups([groupId]));
  }
}

/** The broker's reason, or `allowed`. */
export async function refusalOf(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return 'allowed';
  } catch (error) {
    // Of several answers kafkajs hides each one's type in a list.
    const { errors, groups } = error as { errors?: unknown[]; groups?: { error?: unknown }[] };
    const first = errors?.[0] ?? groups?.[0]?.error ?? error;
    return String((first as { type?: unknown }).type ?? error);
  }
}
