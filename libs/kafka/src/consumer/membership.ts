import { brokerErrorType } from '../cluster/connection.js';
import { KafkaJSProtocolError } from '../cluster/kafkajs.js';
import type { TopicPartition } from './partition-pauses.js';

/** The group has gone on without this member: its partitions are others' now. */
const LOST = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID']);
/** The member must join again, and until it does its partitions are still its own. */
const REJOIN = new Set(['REBALANCE_IN_PROGRESS', 'NOT_COORDINATOR_FOR_GROUP']);

/** One stay in the group, from joining to the next rebalance. */
export interface Generation {
  readonly partitions: readonly TopicPartition[];
  readonly signal: AbortSignal;
  /** Resolves when the application is ready for these partitions. */
  ready: Promise<void>;
  /** Why the member has to join again; what is in progress is finished first, nothing new is begun. */
  rejoin: Error | undefined;
  /** The partitions are others' now: nothing may be committed any more. */
  lost: boolean;
}

/** Keeps track of whether this member still owns its partitions, by what the group's coordinator answers. */
export class Membership {
  readonly #sessionTimeoutMs: number;
  readonly #heartbeatMs: number;
  #current: { generation: Generation; controller: AbortController } | undefined;
  #aliveAt = 0;

  constructor(sessionTimeoutMs: number, heartbeatMs: number) {
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#heartbeatMs = heartbeatMs;
  }

  get current(): Generation | undefined {
    return this.#current?.generation;
  }

  /** Milliseconds since the coordinator last took a sign of life; Infinity outside of the group. */
  get silentMs(): number {
    return this.#current ? performance.now() - this.#aliveAt : Infinity;
  }

  begin(partitions: readonly TopicPartition[]): Generation {
    const controller = new AbortController();
    const generation: Generation = {
      partitions,
      signal: controller.signal,
      ready: Promise.resolve(),
      rejoin: undefined,
      lost: false,
    };
    this.#current = { generation, controller };
    this.#aliveAt = performance.now();
    return generation;
  }

  /** Ends the current generation and returns it. */
  end(): Generation | undefined {
    const ended = this.#current;
    this.#current = undefined;
    if (ended) ended.generation.lost = true;
    ended?.controller.abort();
    return ended?.generation;
  }

  /** Asks what is in progress to come to an end. What still ends well may be committed. */
  stop(): void {
    this.#current?.controller.abort();
  }

  /** The coordinator took a sign of life. */
  alive(): void {
    this.#aliveAt = performance.now();
  }

  /** The coordinator took a heartbeat of kafkajs. Throws like `assertMember`. */
  heartbeat(): void {
    this.assertMember();
    this.alive();
  }

  /**
   * The current generation. Throws, outside of one, what makes kafkajs join again: when joining fails for another reason than a
   * rebalance, as with a coordinator that is still loading its groups, kafkajs goes on with the generation that it had, whose
   * heartbeats that coordinator may well take.
   */
  assertMember(): Generation {
    if (!this.#current) throw joinAgain(new Error('The member has not joined again'));
    return this.#current.generation;
  }

  owns({ partitions }: Generation, { topic, partition }: TopicPartition): boolean {
    return partitions.some((each) => each.topic === topic && each.partition === partition);
  }

  /** Whether work for this generation may begin. */
  mayBegin(generation: Generation): boolean {
    // After a silence, as of a process that was stopped, nothing is begun before the coordinator has been asked.
    if (this.silentMs > this.#sessionTimeoutMs) return false;
    return this.#current?.generation === generation && !generation.rejoin && !generation.signal.aborted;
  }

  /** Notes what an error of a heartbeat or a commit says about the membership. True when it says something. */
  note(generation: Generation, error: unknown): boolean {
    const type = brokerErrorType(error) ?? '';
    const lost = LOST.has(type) || this.silentMs > this.#sessionTimeoutMs;
    if (!lost && !REJOIN.has(type)) return false;
    generation.rejoin ??= error as Error;
    if (lost) {
      generation.lost = true;
      // The generation ends, with onRevoked, when the member joins again or leaves.
      if (this.#current?.generation === generation) this.#current.controller.abort();
    }
    return true;
  }

  /**
   * Does the work while heartbeats go on; kafkajs sends none of its own during a handler. A heartbeat that fails is
   * remembered, and thrown when the work has ended, because that is how kafkajs learns that it has to join again.
   */
  async during(generation: Generation, heartbeat: () => Promise<void>, work: () => Promise<void>): Promise<void> {
    const beat = (): void => {
      heartbeat().catch((error: unknown) => this.note(generation, error));
    };
    const timer = setInterval(beat, this.#heartbeatMs);
    try {
      // A process that was stopped for longer than its session must ask first whether it is still a member.
      if (this.silentMs > this.#sessionTimeoutMs) await heartbeat();
      await work();
    } finally {
      clearInterval(timer);
    }
    this.assertStays(generation);
  }

  /** Throws, when the member has to join again, what makes kafkajs do so. */
  assertStays({ rejoin }: Generation): void {
    if (rejoin) throw joinAgain(rejoin);
  }
}

/**
 * kafkajs joins again for a few answers of the coordinator and tries anything else once more as it is. But a member that
 * has given its generation up over a broken connection is still one for a coordinator that was itself away and came back:
 * nobody refuses its heartbeats, and it would sit on its partitions, doing nothing, for ever.
 */
function joinAgain(reason: Error): Error {
  const type = brokerErrorType(reason) ?? '';
  const isKnown = REJOIN.has(type) || LOST.has(type);
  const cause = Object.assign(new Error(reason.message), { type: isKnown ? type : 'REBALANCE_IN_PROGRESS' });
  return new KafkaJSProtocolError(cause);
}
