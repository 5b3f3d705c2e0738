import type { Logger } from '@bongsu/observability';
import type { Admin } from 'kafkajs';
import { ConfigResourceTypes } from '../cluster/kafkajs.js';
import type { AdminLink } from '../cluster/admin-link.js';
import { brokerErrorType } from '../cluster/connection.js';
import { sleep } from '../cluster/backoff.js';

/** Kafka's own default of `max.message.bytes`, for clusters that do not let us read a topic's configuration. */
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588;
/** How long an unknown topic stays unknown before Kafka is asked again: long enough that a typo costs nothing. */
const UNKNOWN_FOR_MS = 2_000;
/** A broker that has just started does not know its topics yet; one that was deleted stays unknown. Milliseconds. */
const GONE_AFTER_MS = 5_000;
/** A topic that was created this moment is not on every broker yet. */
const UNKNOWN_TRIES = 3;

/** What the producer has to know of a topic. `partitions` is 0 before it was asked for and while the topic does not exist. */
export interface TopicState {
  /** The declared name. */
  readonly declared: string;
  /** With the prefix, as Kafka knows it. */
  readonly name: string;
  partitions: number;
  maxMessageBytes: number;
  askedAt: number;
  /** Since when Kafka says that a topic which we knew does not exist. */
  missingSince: number | undefined;
  refreshing: boolean;
}

/** Partition counts and size limits of topics, as the cluster has them. */
export class TopicCatalog {
  readonly #link: AdminLink;
  readonly #prefix: string;
  readonly #logger: Logger;
  readonly #maxAgeMs: number;
  readonly #topics = new Map<string, TopicState>();

  constructor(link: AdminLink, prefix: string, logger: Logger, maxAgeMs: number) {
    this.#link = link;
    this.#prefix = prefix;
    this.#logger = logger;
    this.#maxAgeMs = maxAgeMs;
  }

  /** The state of a declared topic; never asks Kafka. */
  topic(declared: string): TopicState {
    let state = this.#topics.get(declared);
    if (!state) {
      const name = this.#prefix + declared;
      state = {
        declared,
        name,
        partitions: 0,
        maxMessageBytes: 0,
        askedAt: -Infinity,
        missingSince: undefined,
        refreshing: false,
      };
      this.#topics.set(declared, state);
    }
    return state;
  }

  /** Learns the topic's partitions. Resolves to false when it does not exist; rejects when Kafka does not answer. */
  async load(state: TopicState): Promise<boolean> {
    if (performance.now() - state.askedAt < UNKNOWN_FOR_MS) return state.partitions > 0;
    for (let tries = 1; ; tries++) {
      if (await this.#ask(state)) return true;
      if (tries >= UNKNOWN_TRIES) return false;
      await sleep(200);
    }
  }

  /** Asks again, aside, when what is known is old; what was known stays true until there is an answer. */
  refreshWhenOld(state: TopicState): void {
    if (state.refreshing || performance.now() - state.askedAt < this.#maxAgeMs) return;
    state.refreshing = true;
    this.#ask(state)
      .catch(() => (state.askedAt = performance.now()))
      .finally(() => (state.refreshing = false));
  }

  /** Rejects when no broker answers. */
  async probe(): Promise<void> {
    const known = [...this.#topics.values()].find((state) => state.partitions > 0);
    await this.#link.ask(async (admin) => {
      if (known) await partitionCount(admin, known.name);
      else await admin.describeCluster();
    });
  }

  close(): void {
    this.#link.close();
  }

  async #ask(state: TopicState): Promise<boolean> {
    const { partitions, maxBytes } = await this.#link.ask(async (admin) => {
      const count = await partitionCount(admin, state.name);
      return { partitions: count, maxBytes: count > 0 ? await maxMessageBytes(admin, state.name) : 0 };
    });
    const now = (state.askedAt = performance.now());
    state.missingSince = partitions > 0 ? undefined : (state.missingSince ?? now);
    const gone = partitions === 0 && now - (state.missingSince ?? now) >= GONE_AFTER_MS;
    if (partitions === 0 && state.partitions > 0 && !gone) return true;
    if (state.partitions > 0 && partitions > state.partitions)
      this.#logger.info({ topic: state.name, from: state.partitions, to: partitions }, 'The topic has more partitions');
    Object.assign(state, { partitions, maxMessageBytes: maxBytes });
    return partitions > 0;
  }
}

/**
 * The partitions of a topic, 0 when it does not exist. kafkajs hides why a metadata request failed (it tries each broker
 * and then has nothing), so a failure is asked about again by a request that tells.
 */
export async function partitionCount(admin: Admin, name: string): Promise<number> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
    return topics[0]?.partitions.length ?? 0;
  } catch {
    try {
      return (await admin.fetchTopicOffsets(name)).length;
    } catch (error) {
      if (brokerErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return 0;
      throw error;
    }
  }
}

async function maxMessageBytes(admin: Admin, name: string): Promise<number> {
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames: ['max.message.bytes'] }],
    });
    const value = Number(resources[0]?.configEntries[0]?.configValue);
    return value > 0 ? value : DEFAULT_MAX_MESSAGE_BYTES;
  } catch {
    // Not every client may read configurations. The broker still refuses what is too large, only later.
    return DEFAULT_MAX_MESSAGE_BYTES;
  }
}
