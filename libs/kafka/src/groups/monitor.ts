import type { Logger } from '@bongsu/observability';
import { AdminLink } from '../cluster/admin-link.js';
import type { KafkaSettings } from '../cluster/connection.js';
import {
  brokersUp,
  groupLag,
  groupLagSeconds,
  groupMembers,
  groupOffset,
  groupsReadAt,
  topicOffset,
} from './metrics.js';
import { readPositions, type Positions } from './positions.js';
import { UnreadRecords, type Unread } from './unread.js';

/** Milliseconds. Prometheus asks as often; more would show nothing more. */
const EVERY_MS = 10_000;
/** Longer than a broker that is stopped, not dead, needs to be found out. */
const ANSWER_WITHIN_MS = 8_000;
/** After so many looks in vain the figures are taken away: old ones would say that all is well. */
const FAILURES_UNTIL_UNKNOWN = 3;

/**
 * Shows in this process' metrics where every consumer group of the cluster is: how many members, how many records and how
 * many seconds behind. Also of groups whose consumers are dead, which is when it matters (ADR 0013).
 */
export class ConsumerGroupMonitor {
  readonly #link: AdminLink;
  readonly #logger: Logger;
  readonly #everyMs: number;
  readonly #now: () => number;
  #unread = new UnreadRecords();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #failures = 0;

  constructor(options: {
    settings: KafkaSettings;
    clientId: string;
    logger: Logger;
    everyMs?: number;
    /** Milliseconds since 1970. */
    now?: () => number;
  }) {
    this.#link = new AdminLink(options);
    this.#logger = options.logger;
    this.#everyMs = options.everyMs ?? EVERY_MS;
    this.#now = options.now ?? Date.now;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.look(), this.#everyMs).unref();
    void this.look();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#link.close();
  }

  /** One look; what cannot be read is logged and shows as figures that are missing. Never rejects. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const [positions, unread] = await this.#link.askBelow(async (cluster, admin) => {
        const found = await readPositions(cluster, admin);
        return [found, await this.#unread.look(cluster, found, this.#now())] as const;
      }, ANSWER_WITHIN_MS);
      show(positions, unread, this.#now());
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      this.#logger.debug({ err: error }, 'The consumer groups cannot be read');
      if (this.#failures === FAILURES_UNTIL_UNKNOWN) {
        clear();
        // What was between the looks is not known either.
        this.#unread = new UnreadRecords();
      }
    } finally {
      this.#looking = false;
    }
  }
}

function clear(): void {
  for (const gauge of [groupLag, groupLagSeconds, groupOffset, groupMembers, topicOffset, brokersUp]) gauge.reset();
  // A gauge without labels would go on as 0.
  brokersUp.remove();
}

function show({ brokers, groups, ranges }: Positions, unread: readonly Unread[], nowMs: number): void {
  clear();
  brokersUp.set(brokers);
  for (const { group, members } of groups) groupMembers.set({ consumergroup: group }, members);
  for (const { topic, partition, high } of ranges.values()) topicOffset.set({ topic, partition }, Number(high));
  for (const { group, topic, partition, position, records, seconds } of unread) {
    const labels = { consumergroup: group, topic, partition };
    groupOffset.set(labels, Number(position));
    groupLag.set(labels, Number(records));
    if (seconds !== undefined) groupLagSeconds.set(labels, seconds);
  }
  groupsReadAt.set(nowMs / 1000);
}
