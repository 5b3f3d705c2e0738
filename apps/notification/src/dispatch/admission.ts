import { setTimeout as sleep } from 'node:timers/promises';
import { toDelivery, type AcceptedRequest } from '../ledger/accepted.js';
import type { LeasedDelivery } from '../ledger/delivery.js';
import type { Backlog } from './backlog.js';
import type { Dispatcher } from './dispatcher.js';
import type { MemoryShares } from './schedule/shares.js';

/**
 * How long a batch waits for room in memory before it waits in the ledger, milliseconds. What providers take fast finds room
 * by then, and is written once; behind slow ones Kafka is read on, so that others are found behind them.
 */
const PATIENCE_MS = 250;

/** The longest rest after a batch that is taken in ahead of its turn, milliseconds. */
const AHEAD_REST_MS = 1_000;

/** Whether a batch, which is of one lane, is one of bulk. */
const isBulk = (batch: readonly AcceptedRequest[]): boolean => batch[0]?.request.priority === 'bulk';

/**
 * Reading ahead takes no more than half of the time, and bulk no more than it has of the slots: others' turn comes first. Resolves at
 * once when the signal is aborted: a process that stops has a few seconds for all that it has begun.
 */
export async function restAfter(
  batch: readonly AcceptedRequest[],
  workMs: number,
  bulkShare: number,
  signal: AbortSignal,
): Promise<void> {
  const share = isBulk(batch) ? bulkShare : 1;
  const restMs = Math.min(workMs * Math.max(1, 1 / share - 1), AHEAD_REST_MS);
  await sleep(restMs, undefined, { signal }).catch(noop);
}

/** Records that are taken in at once while bulk gives way. */
const SMALL_PIECE = 100;

/** A batch in pieces that are small as long as it gives way: each keeps the processor, and PostgreSQL, from urgent ones. */
export function* piecesOf(
  batch: readonly AcceptedRequest[],
  isYielding: () => boolean,
): Generator<readonly AcceptedRequest[]> {
  for (let from = 0, to = 0; from < batch.length; from = to) {
    to = isBulk(batch) && isYielding() ? from + SMALL_PIECE : batch.length;
    yield batch.slice(from, to);
  }
}

/** Places in memory that a flow was given before its deliveries are in the ledger. */
export class Places {
  readonly #shares: MemoryShares;
  readonly #flow: string;
  #left: number;

  /** Takes the places. */
  constructor(shares: MemoryShares, flow: string, count: number) {
    this.#shares = shares;
    this.#flow = flow;
    this.#left = count;
    shares.take(flow, count);
  }

  /** Whether there is one for a delivery of this flow, whose it is from now on. */
  use(flow: string): boolean {
    if (flow !== this.#flow || this.#left === 0) return false;
    this.#left--;
    return true;
  }

  giveBack(): void {
    this.#shares.give(this.#flow, this.#left);
    this.#left = 0;
  }
}

/**
 * Waits for a while until memory has room for a batch, and takes it at once: batches of other shards wait for the same room,
 * and one that found only half of it would have to wait in the ledger with all that follows. Undefined when there is none, when
 * the batch has to wait in the ledger anyway, or when bulk gives way. The first delivery stands for all: a flood is one flow,
 * and where there is none there is room.
 */
export async function roomInMemory(
  dispatcher: Pick<Dispatcher, 'flowOf' | 'isYielding' | 'shares'>,
  backlog: Backlog,
  shard: number,
  batch: readonly AcceptedRequest[],
): Promise<Places | undefined> {
  const [first] = batch;
  const channel = first?.request.channels[0];
  if (!channel || dispatcher.isYielding) return undefined;
  const { shares } = dispatcher;
  const { priority } = first.request;
  const flow = dispatcher.flowOf(toDelivery(shard, first, channel));
  for (const until = performance.now() + PATIENCE_MS; performance.now() < until; await sleep(5)) {
    if (backlog.isBehind(shard, flow)) return undefined;
    if (!shares.canHold(flow, priority, batch.length)) continue;
    return new Places(shares, flow, Math.min(batch.length, shares.roomOf(flow, priority)));
  }
  return undefined;
}

/** Which deliveries of one batch go straight to memory, and which wait in the ledger behind others of their flow. */
export class Admission {
  readonly #dispatcher: Dispatcher;
  readonly #backlog: Backlog;
  readonly #shard: number;
  readonly #isCatchingUp: boolean;
  readonly #reserved = new Map<string, string>();
  readonly #waiting: string[] = [];
  readonly #places: Places | undefined;
  #started = false;

  /**
   * @param isCatchingUp older deliveries of any key may be in other hands or in the ledger: all of these wait there
   * @param places what roomInMemory has taken for the batch
   */
  constructor(
    dispatcher: Dispatcher,
    backlog: Backlog,
    shard: number,
    isCatchingUp: boolean,
    places: Places | undefined,
  ) {
    this.#dispatcher = dispatcher;
    this.#backlog = backlog;
    this.#shard = shard;
    this.#isCatchingUp = isCatchingUp;
    this.#places = places;
  }

  /** Undefined when there is a place in memory, which is reserved; else the flow under which the delivery is to wait. */
  admit(delivery: LeasedDelivery): string | undefined {
    const flow = this.#dispatcher.flowOf(delivery);
    const mustWait = this.#isCatchingUp || this.#backlog.isBehind(this.#shard, flow);
    if (!mustWait && (this.#places?.use(flow) || this.#dispatcher.shares.reserve(flow, delivery.priority))) {
      this.#reserved.set(delivery.id, flow);
      return undefined;
    }
    this.#backlog.adding(this.#shard, flow, delivery.priority);
    this.#waiting.push(flow);
    return flow;
  }

  /** How many of the batch wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The batch is in the ledger. Gives what tells, once, whether a delivery has its place reserved. */
  start(): (delivery: LeasedDelivery) => boolean {
    this.#started = true;
    return ({ id }) => this.#reserved.delete(id);
  }

  /** In any case: gives back what was reserved and not used, for records that were known already or a batch that failed. */
  end(): void {
    for (const flow of this.#reserved.values()) this.#dispatcher.shares.give(flow);
    for (const flow of this.#waiting) this.#backlog.added(this.#shard, flow, !this.#started);
  }
}

function noop(): void {}
