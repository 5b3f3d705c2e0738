import type { Logger } from '@bongsu/observability';
import type { Admin } from 'kafkajs';
import { sleep } from '../cluster/backoff.js';
import { AdminLink } from '../cluster/admin-link.js';
import type { KafkaSettings } from '../cluster/connection.js';
import { CannotPlace, copiesData, planMoves, type BrokerPlace, type Move, type Placement } from './place.js';

/** Metadata of every topic of a large cluster. */
const ANSWER_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 250;
/** A broker that fails over answers nothing for so long; what is under way goes on without us. */
const PATIENCE_MS = 60_000;

export interface ReassignmentOptions {
  /** Where everything shall be. Default: every broker that is up. */
  readonly brokers?: readonly number[] | undefined;
  /** How many each partition shall have. Default: as many as it has. */
  readonly replicas?: number | undefined;
  /** As Kafka knows them. Default: every topic of the cluster, Kafka's own too. */
  readonly topics?: readonly string[] | undefined;
}

export interface ReassignmentPlan {
  readonly brokers: readonly BrokerPlace[];
  readonly moves: readonly Move[];
  /** Everything that was looked at, as it is. */
  readonly placements: readonly Placement[];
}

export interface ReassignmentProgress {
  readonly done: number;
  readonly total: number;
}

/** A partition, its replicas, and those of them that have everything. */
interface PartitionState extends Placement {
  readonly inSync: readonly number[];
}

/**
 * Moves partitions between brokers, with Kafka's own reassignment: a new replica is copied first and only then takes the old
 * one's place, while reading and writing go on. Dying half way is harmless: Kafka finishes what it was given, and the next
 * plan begins from there.
 */
export class PartitionReassigner {
  readonly #link: AdminLink;

  constructor(options: { settings: KafkaSettings; logger: Logger }) {
    this.#link = new AdminLink({ ...options, clientId: 'bongsu-reassign' });
  }

  /**
   * What has to move.
   * @throws CannotPlace for brokers that are not up or too few, or while others are moving partitions
   */
  async plan(options: ReassignmentOptions = {}): Promise<ReassignmentPlan> {
    const live = await this.#brokers();
    const brokers = options.brokers === undefined ? live : chosen(live, options.brokers);
    if ((await this.#ongoing()) > 0)
      throw new CannotPlace('partitions are being moved already: wait until that is done (bongsu topics describe)');
    const placements = await this.#partitions(options.topics);
    return { brokers, moves: planMoves(placements, brokers, options), placements };
  }

  /**
   * Does what the plan says, so many partitions at a time, and resolves when every replica has everything. Rejects after
   * `timeoutMs` or when the signal aborts; what was begun goes on.
   */
  async apply(
    plan: ReassignmentPlan,
    options: {
      readonly atOnce: number;
      readonly timeoutMs: number;
      readonly onProgress?: (progress: ReassignmentProgress) => void;
      readonly signal?: AbortSignal;
    },
  ): Promise<void> {
    const deadline = performance.now() + options.timeoutMs;
    const total = plan.moves.length;
    // Those that copy nothing are quick, and free disks and leaders early.
    const waiting = plan.moves.toSorted((a, b) => Number(copiesData(a)) - Number(copiesData(b)));
    for (let done = 0; done < total;) {
      const wave = waiting.slice(done, done + options.atOnce);
      await this.#patiently(deadline, options.signal, async () => {
        await this.#link.ask((admin) => begin(admin, wave), ANSWER_WITHIN_MS);
        return true;
      });
      await this.#patiently(deadline, options.signal, async () => (await this.#ongoing()) === 0);
      await this.#patiently(deadline, options.signal, () => this.#arrived(wave));
      done += wave.length;
      options.onProgress?.({ done, total });
    }
  }

  close(): void {
    this.#link.close();
  }

  #brokers(): Promise<BrokerPlace[]> {
    return this.#link.askBelow(async (cluster) => {
      const { brokers } = await cluster.metadata({ topics: [] });
      return brokers
        .map(({ nodeId, rack }) => ({ id: nodeId, rack: rack ?? undefined }))
        .toSorted((a, b) => a.id - b.id);
    }, ANSWER_WITHIN_MS);
  }

  async #ongoing(): Promise<number> {
    const { topics } = await this.#link.ask((admin) => admin.listPartitionReassignments({}), ANSWER_WITHIN_MS);
    return topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
  }

  async #partitions(topics: readonly string[] | undefined): Promise<PartitionState[]> {
    const found = await this.#link.ask(
      (admin) => admin.fetchTopicMetadata(topics === undefined ? undefined : { topics: [...topics] }),
      ANSWER_WITHIN_MS,
    );
    return found.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionId, replicas, isr }) => ({
        topic: name,
        partition: partitionId,
        replicas,
        inSync: isr,
      })),
    );
  }

  async #arrived(wave: readonly Move[]): Promise<boolean> {
    // Of all topics: asked for one that was deleted meanwhile, Kafka answers nothing about the others.
    const states = new Map((await this.#partitions(undefined)).map((each) => [nameOf(each), each]));
    return wave.every((move) => {
      const state = states.get(nameOf(move));
      if (!state) return true;
      return state.replicas.join() === move.replicas.join() && move.replicas.every((id) => state.inSync.includes(id));
    });
  }

  /** Asks again until it is so. Kafka may be without a controller for a while: the reassignment outlives that. */
  async #patiently(deadline: number, signal: AbortSignal | undefined, check: () => Promise<boolean>): Promise<void> {
    let failingSince: number | undefined;
    for (;;) {
      try {
        if (await check()) return;
        failingSince = undefined;
      } catch (error) {
        failingSince ??= performance.now();
        if (performance.now() - failingSince > PATIENCE_MS || isRefused(error)) throw error;
      }
      if (performance.now() > deadline)
        throw new Error('Not all partitions have arrived in time; Kafka goes on with those that it was given');
      await sleep(LOOK_EVERY_MS, signal);
      signal?.throwIfAborted();
    }
  }
}

function chosen(live: readonly BrokerPlace[], ids: readonly number[]): BrokerPlace[] {
  return [...new Set(ids)].map((id) => {
    const broker = live.find((each) => each.id === id);
    if (!broker) throw new CannotPlace(`broker ${id} is not up: there are ${live.map((each) => each.id).join(', ')}`);
    return broker;
  });
}

function begin(admin: Admin, moves: readonly Move[]): Promise<void> {
  return admin.alterPartitionReassignments({
    timeout: ANSWER_WITHIN_MS,
    topics: [...Map.groupBy(moves, ({ topic }) => topic)].map(([topic, partitions]) => ({
      topic,
      partitionAssignment: partitions.map(({ partition, replicas }) => ({ partition, replicas: [...replicas] })),
    })),
  });
}

const nameOf = ({ topic, partition }: Pick<Placement, 'topic' | 'partition'>): string => `${topic}/${partition}`;

/** What will not get better by asking again. */
function isRefused(error: unknown): boolean {
  const errors = (error as { errors?: unknown[] }).errors ?? [error];
  return errors.some((each) =>
    /INVALID_REPLICA_ASSIGNMENT|CLUSTER_AUTHORIZATION_FAILED|UNSUPPORTED_VERSION/.test(
      String((each as { type?: unknown }).type),
    ),
  );
}
