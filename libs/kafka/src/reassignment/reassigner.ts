import type { Logger } from '@bongsu/observability';
import type { Admin } from 'kafkajs';
import { sleep } from '../cluster/backoff.js';
import { AdminLink } from '../cluster/admin-link.js';
import { brokerViews } from '../cluster/broker-views.js';
import type { KafkaSettings } from '../cluster/connection.js';
import type { TopicMetadata } from '../cluster/low-level.js';
import { CannotPlace, copiesData, planMoves, type BrokerPlace, type Move, type Placement } from './place.js';

/** Metadata of every topic of a large cluster. */
const ANSWER_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 250;
/** How long brokers may take to hear what the controller knows. */
const AGREE_WITHIN_MS = 15_000;
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
   * @throws CannotPlace for brokers that are not up or too few, while others are moving partitions, or when brokers do not
   * agree for 15 s where partitions are
   */
  async plan(options: ReassignmentOptions = {}): Promise<ReassignmentPlan> {
    const live = await this.#brokers();
    const brokers = options.brokers === undefined ? live : chosen(live, options.brokers);
    if ((await this.#ongoing()) > 0)
      throw new CannotPlace('partitions are being moved already: wait until that is done (bongsu topics describe)');
    const placements = await this.#agreed(options.topics);
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

  /**
   * Where partitions are, once all brokers say the same, twice: the controller knows first when a move has ended, and at one
   * that has not heard of it yet a partition has the old replicas and the new ones.
   */
  async #agreed(topics: readonly string[] | undefined): Promise<PartitionState[]> {
    const deadline = performance.now() + AGREE_WITHIN_MS;
    for (let before: string | undefined; performance.now() < deadline; await sleep(LOOK_EVERY_MS)) {
      const views = await this.#views(topics);
      const [said, ...others] = new Set(views.map(placesOf));
      if (others.length === 0 && said === before) return views[0]!;
      before = others.length === 0 ? said : undefined;
    }
    throw new CannotPlace('the brokers do not agree where partitions are: topics or partitions are being changed');
  }

  /** Every partition as each broker knows it. One that does not answer is left out; rejects when none does. */
  #views(topics: readonly string[] = []): Promise<PartitionState[][]> {
    return this.#link.askBelow(async (cluster) => {
      const answers = await brokerViews(cluster, topics);
      const views = answers.filter((answer) => answer.status === 'fulfilled');
      if (views.length === 0) throw answers.find((answer) => answer.status === 'rejected')?.reason;
      return views.map(({ value }) => partitionStates(value));
    }, ANSWER_WITHIN_MS);
  }

  async #arrived(wave: readonly Move[]): Promise<boolean> {
    // Of all topics: asked for one that was deleted meanwhile, Kafka answers nothing about the others.
    const views = await this.#views();
    return views.every((view) => {
      const states = new Map(view.map((each) => [nameOf(each), each]));
      return wave.every((move) => {
        const state = states.get(nameOf(move));
        if (!state) return true;
        return state.replicas.join() === move.replicas.join() && move.replicas.every((id) => state.inSync.includes(id));
      });
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

function partitionStates(topics: readonly TopicMetadata[]): PartitionState[] {
  return topics.flatMap(({ topic, partitionMetadata }) =>
    partitionMetadata.map(({ partitionId, replicas, isr }) => ({
      topic,
      partition: partitionId,
      replicas,
      inSync: isr,
    })),
  );
}

const placesOf = (view: readonly PartitionState[]): string =>
  view
    .map((each) => `${nameOf(each)}: ${each.replicas.join()}`)
    .toSorted()
    .join('\n');

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
