import { ALL_TOPICS, GROUPS, type Group, type TopicDeclaration } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { Admin, ConfigEntries, KafkaJSError, PartitionMetadata } from 'kafkajs';
import { sleep, within } from '../cluster/backoff.js';
import { brokerViews } from '../cluster/broker-views.js';
import { ASK_BRIEFLY, brokerErrorType, KafkaConnection, type KafkaSettings } from '../cluster/connection.js';
import { ConfigResourceTypes } from '../cluster/kafkajs.js';
import { lowLevelCluster } from '../cluster/low-level.js';
import { fetchLag, type PartitionLag } from '../consumer/lag.js';
import { groupIdOf } from '../consumer/strategy.js';
import { partitionCount } from '../producer/topic-catalog.js';
import {
  planTopics,
  wantedTopics,
  type ActualTopic,
  type TopicChange,
  type TopicOverrides,
  type TopicPlan,
} from './plan.js';

/** A configuration set on the topic itself, not a default (org.apache.kafka.clients.admin.ConfigEntry.ConfigSource). */
const SET_ON_TOPIC = 1;
/** How long a broker may take to create some 300 partitions: seconds on a machine that is just starting everything. */
const CREATE_TIMEOUT_MS = 30_000;
/** How long all brokers may take to hear of what was created; a consumer that is told of a topic too early joins again. */
const HEARD_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;
const REQUEST_TIMEOUT_MS = CREATE_TIMEOUT_MS + 2_000;

export interface TopicAdminOptions {
  readonly settings: KafkaSettings;
  readonly logger: Logger;
  /** KAFKA_REPLICATION_FACTOR. Default 1. */
  readonly replicationFactor?: number;
  /** For tests. Default: all declared topics. */
  readonly topics?: readonly TopicDeclaration[];
}

/** A declared topic, or one of their dead-letter topics, as the cluster has it. */
export interface TopicDescription extends ActualTopic {
  readonly partitionDetails: readonly {
    readonly partition: number;
    readonly leader: number;
    readonly replicas: readonly number[];
    readonly inSync: readonly number[];
  }[];
}

/** Creates and describes the topics of this system. Connects by itself; `close` ends the connection. */
export class TopicAdmin {
  readonly #settings: KafkaSettings;
  readonly #replicas: number;
  readonly #topics: readonly TopicDeclaration[];
  readonly #connection: KafkaConnection;
  readonly #admin: Admin;
  #connected: Promise<void> | undefined;

  constructor(options: TopicAdminOptions) {
    this.#settings = options.settings;
    this.#replicas = options.replicationFactor ?? 1;
    this.#topics = options.topics ?? ALL_TOPICS;
    this.#connection = new KafkaConnection({
      ...options,
      clientId: 'bongsu-topics',
      retry: ASK_BRIEFLY,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
    });
    this.#admin = this.#connection.kafka.admin();
  }

  /** Compares what is declared with what the cluster has; changes nothing. Rejects when no broker answers. */
  async plan(overrides: TopicOverrides = new Map()): Promise<TopicPlan> {
    return planTopics(this.#topics, await this.#find(), this.#planOptions(overrides));
  }

  /**
   * Does what the plan says. May run twice, and several may run at once: what another one was faster to do is done.
   * Rejects with Kafka's error otherwise; what was done before that stays.
   */
  async apply(plan: TopicPlan): Promise<void> {
    const admin = await this.#client();
    const created = plan.changes.flatMap((change) => (change.kind === 'create' ? [change.topic] : []));
    if (created.length > 0) {
      await this.#unless('TOPIC_ALREADY_EXISTS', () =>
        admin.createTopics({
          waitForLeaders: true,
          timeout: CREATE_TIMEOUT_MS,
          topics: created.map(({ name, partitions, replicas, config }) => ({
            topic: name,
            numPartitions: partitions,
            replicationFactor: replicas,
            configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
          })),
        }),
      );
      await this.#heardEverywhere(created.map(({ name }) => name));
    }
    await this.#addPartitions(plan.changes);
    await this.#configure(plan.changes);
  }

  /** Every topic of this system that the cluster has. */
  async describe(): Promise<TopicDescription[]> {
    return this.#find();
  }

  /** How far the groups are behind, by group (its declared name); a group's topics that do not exist are left out. */
  async consumerLag(groups: readonly Group[] = Object.values(GROUPS)): Promise<Map<Group, PartitionLag[]>> {
    const admin = await this.#client();
    const existing = new Set((await this.#find()).map(({ name }) => name));
    const lags = new Map<Group, PartitionLag[]>();
    for (const group of groups) {
      const topics = this.#topics
        .filter(({ readBy }) => readBy.some((reader) => reader.group === group))
        .map(({ name }) => this.#settings.KAFKA_TOPIC_PREFIX + name)
        .filter((name) => existing.has(name));
      lags.set(group, await this.#connection.run(fetchLag(admin, groupIdOf(this.#settings, group), topics)));
    }
    return lags;
  }

  async close(): Promise<void> {
    this.#connection.cut();
  }

  /**
   * Waits until every broker knows the topics and their leaders, for a while, whatever happens to the questions: the topics are made,
   * what follows is still to be done, and who comes too early recovers by itself.
   */
  async #heardEverywhere(topics: readonly string[]): Promise<void> {
    const cluster = lowLevelCluster(this.#connection.kafka);
    const ask = async () => {
      await cluster.connect();
      return brokerViews(cluster, topics);
    };
    const deadline = performance.now() + HEARD_WITHIN_MS;
    for (let left = HEARD_WITHIN_MS; left > 0; left = deadline - performance.now()) {
      const views = await within(left, this.#connection.run(ask())).catch(() => undefined);
      if (views?.every(({ status }) => status === 'fulfilled')) break;
      await sleep(LOOK_EVERY_MS);
    }
    await within(LOOK_EVERY_MS, cluster.disconnect()).catch(() => undefined);
  }

  async #addPartitions(changes: readonly TopicChange[]): Promise<void> {
    const admin = await this.#client();
    const grown = changes.flatMap((change) => (change.kind === 'add-partitions' ? [change] : []));
    for (const { name, to } of grown) {
      try {
        await admin.createPartitions({ topicPartitions: [{ topic: name, count: to }], timeout: CREATE_TIMEOUT_MS });
      } catch (error) {
        if ((await partitionCount(admin, name)) < to) throw error;
      }
    }
  }

  /** Kafka's AlterConfigs replaces everything that is set on a topic, so what we do not declare is written again as it is. */
  async #configure(changes: readonly TopicChange[]): Promise<void> {
    const changed = changes.flatMap((change) => (change.kind === 'configure' ? [change] : []));
    if (changed.length === 0) return;
    const admin = await this.#client();
    const own = await this.#ownConfig(changed.map(({ name }) => name));
    await admin.alterConfigs({
      validateOnly: false,
      resources: changed.map(({ name, changes: settings }) => {
        const entries = new Map(own.get(name)?.own);
        for (const setting of settings) entries.set(setting.name, setting.to);
        const configEntries = [...entries].map(([key, value]) => ({ name: key, value }));
        return { type: ConfigResourceTypes.TOPIC, name, configEntries };
      }),
    });
  }

  async #find(): Promise<TopicDescription[]> {
    const wanted = wantedTopics(this.#topics, new Map(), this.#planOptions(new Map())).map(({ name }) => name);
    const found = await this.#metadata(wanted);
    const configs = await this.#ownConfig([...found.keys()]);
    return wanted.flatMap((name) => {
      const partitions = found.get(name);
      const config = configs.get(name);
      if (!partitions || !config) return [];
      return [
        {
          name,
          partitions: partitions.length,
          replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
          config: config.effective,
          partitionDetails: partitions
            .map(({ partitionId, leader, replicas, isr }) => ({
              partition: partitionId,
              leader,
              replicas,
              inSync: isr,
            }))
            .toSorted((a, b) => a.partition - b.partition),
        },
      ];
    });
  }

  /** Partitions by topic, for those of the names that exist. */
  async #metadata(names: readonly string[]): Promise<Map<string, PartitionMetadata[]>> {
    const admin = await this.#client();
    const existing = await this.#existing(admin, names);
    const asked = names.filter((name) => existing.has(name));
    if (asked.length === 0) return new Map();
    const { topics } = await this.#connection.run(admin.fetchTopicMetadata({ topics: asked }));
    return new Map(topics.map(({ name, partitions }) => [name, partitions]));
  }

  async #existing(admin: Admin, names: readonly string[]): Promise<Set<string>> {
    try {
      return new Set(await this.#connection.run(admin.listTopics()));
    } catch {
      // kafkajs fails on the list of all topics when a single one of them, maybe a stranger's, has no leader.
      const existing = new Set<string>();
      for (const name of names) if ((await this.#connection.run(partitionCount(admin, name))) > 0) existing.add(name);
      return existing;
    }
  }

  async #ownConfig(
    names: readonly string[],
  ): Promise<Map<string, { effective: Record<string, string>; own: Map<string, string> }>> {
    if (names.length === 0) return new Map();
    const admin = await this.#client();
    const { resources } = await this.#connection.run(
      admin.describeConfigs({
        includeSynonyms: false,
        resources: names.map((name) => ({ type: ConfigResourceTypes.TOPIC, name })),
      }),
    );
    return new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        {
          effective: Object.fromEntries(configEntries.map(({ configName, configValue }) => [configName, configValue])),
          own: new Map(configEntries.filter(isOwn).map(({ configName, configValue }) => [configName, configValue])),
        },
      ]),
    );
  }

  async #unless(type: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const errors = (error as { errors?: KafkaJSError[] }).errors ?? [error];
      if (!errors.every((each) => brokerErrorType(each) === type)) throw error;
    }
  }

  async #client(): Promise<Admin> {
    await (this.#connected ??= this.#connection.run(this.#admin.connect()).catch((error: unknown) => {
      this.#connected = undefined;
      throw error;
    }));
    return this.#admin;
  }

  #planOptions(overrides: TopicOverrides) {
    return { prefix: this.#settings.KAFKA_TOPIC_PREFIX, replicas: this.#replicas, overrides };
  }
}

const isOwn = (entry: ConfigEntries): boolean => (entry.configSource as number) === SET_ON_TOPIC;
