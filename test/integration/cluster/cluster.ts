import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { waitUntil } from '@bongsu/testing';
import {
  addBroker,
  endStack,
  startDisposableStack,
  startPart,
  stopPart,
  type DisposablePart,
  type DisposableStack,
} from '../../../tools/stack/disposable.ts';
import { ask } from '../../../tools/stack/ports.ts';

interface Partition {
  readonly topic: string;
  readonly partition: number;
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

/** Three brokers and three ZooKeepers, and what a test wants to know of them: asked with a client of its own each time. */
export class Cluster {
  #stack: DisposableStack;

  private constructor(stack: DisposableStack) {
    this.#stack = stack;
  }

  static async start(): Promise<Cluster> {
    return new Cluster(await startDisposableStack({ cluster: true, postgres: false }));
  }

  get env(): { KAFKA_BROKERS: string } {
    return { KAFKA_BROKERS: this.#stack.kafkaBrokers };
  }

  /** The id of the broker that joins. */
  async addBroker(): Promise<number> {
    this.#stack = await addBroker(this.#stack);
    return Math.max(...this.#stack.servers.filter(({ kind }) => kind === 'kafka').map(({ id }) => id));
  }

  kill(part: DisposablePart): Promise<void> {
    return stopPart(this.#stack, part, 'SIGKILL');
  }

  stop(part: DisposablePart): Promise<void> {
    return stopPart(this.#stack, part);
  }

  /** Has it stand still, `ms` at a time, until the function that it resolves with has resolved: it hears everything late. */
  slowDown(part: DisposablePart, ms: number): () => Promise<void> {
    const ending = new AbortController();
    const slowness = (async () => {
      while (!ending.signal.aborted) {
        await stopPart(this.#stack, part, 'SIGSTOP');
        await sleep(ms);
        await stopPart(this.#stack, part, 'SIGCONT');
        await sleep(ms / 4);
      }
    })();
    return async () => {
      ending.abort();
      await slowness;
    };
  }

  start(part: DisposablePart): Promise<void> {
    return startPart(this.#stack, part);
  }

  end(): Promise<void> {
    return endStack(this.#stack.home);
  }

  /** The id of the broker that is the controller, once there is one. */
  controller(): Promise<number> {
    return waitUntil('there is a controller', () =>
      this.#ask(async (admin) => (await admin.describeCluster()).controller ?? 0),
    );
  }

  /** The part that leads the ensemble. */
  async zooKeeperLeader(): Promise<DisposablePart> {
    for (const { kind, port, spec } of this.#stack.servers) {
      if (kind !== 'zookeeper') continue;
      const answer = (await ask(port, 'srvr', () => false)).toString();
      if (/^Mode: leader$/m.test(answer)) return spec.name as DisposablePart;
    }
    throw new Error('No ZooKeeper leads');
  }

  /** Every partition of the topics (default: of all). */
  partitions(topics?: string[]): Promise<Partition[]> {
    return this.#ask(async (admin) => {
      const found = await admin.fetchTopicMetadata(topics && { topics });
      return found.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionId, leader, replicas, isr }) => ({
          topic: name,
          partition: partitionId,
          leader,
          replicas,
          inSync: isr,
        })),
      );
    });
  }

  /** Waits until no replica is behind. */
  async isWhole(): Promise<void> {
    await waitUntil(
      'every replica is in sync',
      async () => (await this.partitions()).every(({ replicas, inSync }) => replicas.length === inSync.length),
      { timeoutMs: 60_000, everyMs: 250 },
    );
  }

  async #ask<T>(work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
    const brokers = this.#stack.kafkaBrokers.split(',');
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 2 } }).admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }
}
