import { randomBytes } from 'node:crypto';
import { KAFKA_SETTINGS, PRODUCER_SETTINGS, readSettings } from '@bongsu/config';
import {
  contract,
  encodeEvent,
  type Group,
  type OutgoingRecord,
  type RawRecord,
  type TopicDeclaration,
} from '@bongsu/contracts';
import {
  KafkaBatchStrategy,
  KafkaProducer,
  readTopic,
  TopicAdmin,
  type KafkaBatchStrategyOptions,
  type KafkaProducerOptions,
} from '@bongsu/kafka';
import { createLogger, type Logger } from '@bongsu/observability';
import { waitUntil } from '@bongsu/testing';
import { Module, type INestMicroservice, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Type as Schema } from 'typebox';
import { inject } from 'vitest';

export const brokers = (): string => inject('bongsu').kafkaBrokers;

/** Log lines of a test, so that one that is promised can be looked for; nothing is printed. */
export class LogLines {
  readonly lines: { level: string; msg: string; [field: string]: unknown }[] = [];
  readonly logger: Logger = createLogger('test', 'debug', {
    write: (line: string) => void this.lines.push(JSON.parse(line) as (typeof this.lines)[number]),
  });
}

export const NUMBERED = 'test.numbered.v1';
const Numbered = contract(Schema.Object({ n: Schema.Integer() }));
export interface Numbered {
  readonly n: number;
}

/** A topic for a test, read as events by `bongsu.notification` and as bytes by `bongsu.audit`. */
export const testTopic = (name: string, partitions = 4): TopicDeclaration => ({
  name,
  description: 'For a test',
  key: 'any',
  partitions,
  cleanup: 'delete',
  retentionMs: 3_600_000,
  writtenBy: 'api',
  readBy: [
    { service: 'notification', group: 'bongsu.notification', as: 'events' },
    { service: 'audit', group: 'bongsu.audit', as: 'bytes' },
  ],
  events: new Map([[NUMBERED, Numbered]]),
});

let counter = 0;
export const numbered = (topic: TopicDeclaration, key: string, n: number): OutgoingRecord =>
  encodeEvent(topic, key, {
    id: `event-${counter++}`,
    source: '/bongsu/test',
    type: NUMBERED,
    subject: key,
    time: new Date().toISOString(),
    data: { n },
  });

type Environment = Record<string, string>;
type StrategyOptions = Partial<KafkaBatchStrategyOptions> & Pick<KafkaBatchStrategyOptions, 'group'>;

/** Topics, producers and consumers of one test, under a prefix of its own; `end` closes what the test did not. */
export class Bench {
  readonly log = new LogLines();
  readonly prefix = `t${randomBytes(4).toString('hex')}.`;
  readonly topics: readonly TopicDeclaration[];
  readonly #env: Environment;
  readonly #producers: KafkaProducer[] = [];
  readonly #apps: INestMicroservice[] = [];

  readonly #replicationFactor: number;

  private constructor(topics: readonly TopicDeclaration[], env: Environment, replicationFactor: number) {
    this.topics = topics;
    this.#replicationFactor = replicationFactor;
    this.#env = { KAFKA_BROKERS: brokers(), KAFKA_TOPIC_PREFIX: this.prefix, ...env };
  }

  static async start(
    topics: readonly TopicDeclaration[],
    env: Environment = {},
    replicationFactor = 1,
  ): Promise<Bench> {
    const bench = new Bench(topics, env, replicationFactor);
    await bench.createTopics();
    return bench;
  }

  settings(env: Environment = {}) {
    return readSettings({ ...KAFKA_SETTINGS, ...PRODUCER_SETTINGS }, { ...this.#env, ...env });
  }

  admin(env: Environment = {}): TopicAdmin {
    return new TopicAdmin({
      settings: this.settings(env),
      logger: this.log.logger,
      topics: this.topics,
      replicationFactor: this.#replicationFactor,
    });
  }

  async createTopics(): Promise<void> {
    const admin = this.admin();
    try {
      // A broker that was just started is not ready to create anything.
      await waitUntil('the topics are created', async () => {
        await admin.apply(await admin.plan());
        return true;
      });
    } finally {
      await admin.close();
    }
  }

  /** How many records the group has committed, of all partitions. */
  async committed(group: Group): Promise<bigint> {
    const admin = this.admin();
    try {
      const lags = (await admin.consumerLag([group])).get(group)!;
      return lags.reduce((sum, { committed }) => sum + (committed ?? 0n), 0n);
    } finally {
      await admin.close();
    }
  }

  async producer(env: Environment = {}, options: Partial<KafkaProducerOptions> = {}): Promise<KafkaProducer> {
    const { logger } = this.log;
    const producer = new KafkaProducer({ settings: this.settings(env), clientId: 'test', logger, ...options });
    this.#producers.push(producer);
    await producer.connect();
    return producer;
  }

  strategy(producer: KafkaProducer, options: StrategyOptions): KafkaBatchStrategy {
    return new KafkaBatchStrategy({
      settings: this.settings(),
      producer,
      logger: this.log.logger,
      topics: this.topics,
      isInfrastructureError: (error) => error instanceof Away,
      sessionTimeoutMs: 6_000,
      heartbeatIntervalMs: 500,
      onCrash: (error) => this.log.logger.fatal({ err: error }, 'crashed'),
      ...options,
    });
  }

  /** A Nest microservice with these controllers on that strategy. */
  async app(strategy: KafkaBatchStrategy, controllers: Type[], providers: Provider[] = []): Promise<INestMicroservice> {
    const module = { module: TestModule, controllers, providers };
    const app = await NestFactory.createMicroservice(module, { strategy, logger: false });
    this.#apps.push(app);
    await app.listen();
    return app;
  }

  read(topic: string): Promise<RawRecord[]> {
    return readTopic({ settings: this.settings(), topic, logger: this.log.logger });
  }

  async end(): Promise<void> {
    await Promise.all(this.#apps.map((app) => app.close()));
    await Promise.all(this.#producers.map((producer) => producer.close()));
  }
}

@Module({})
class TestModule {}

/** What a handler throws when something that it needs is away. */
export class Away extends Error {}
