import { setTimeout as sleep } from 'node:timers/promises';
import { AUDITED_TOPICS, GROUPS } from '@bongsu/contracts';
import type { KafkaPositions } from '@bongsu/kafka';
import type { Logger } from '@bongsu/observability';
import type { Database } from '../database/database.js';
import { readHeads } from '../chain/heads.js';

/** How long it waits before it asks Kafka again, milliseconds. */
const AGAIN_MS = 2_000;

/**
 * Makes sure that the group does not go on behind records that the store does not have: its database was dropped, or
 * brought back from a backup. Then the group forgets its offsets and reads all that Kafka has; what the store has is recognised
 * and passed over. Offsets are committed after the store has their records, so that otherwise no chain ends before them.
 */
export class Rewinding {
  readonly #database: Database;
  readonly #kafka: KafkaPositions;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();

  constructor(database: Database, kafka: KafkaPositions, logger: Logger) {
    this.#database = database;
    this.#kafka = kafka;
    this.#logger = logger;
  }

  /**
   * To be called before joining the group. Waits for Kafka, and (saying so) for other members to leave where it must rewind,
   * since a group that has members keeps its offsets. Resolves with whether the group may be joined: false after `stop`.
   */
  async rewindIfBehind(): Promise<boolean> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const behind = await this.#chainsBehind();
        if (behind.length > 0) {
          this.#logger.warn({ chains: behind }, 'The store ends before what was read from Kafka: all is read again');
          await this.#kafka.forget(GROUPS.audit);
        }
        return !signal.aborted;
      } catch (error) {
        this.#logger.warn(
          { err: error },
          'Kafka does not answer yet, or the group has members elsewhere: trying again',
        );
        await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
      }
    }
    return false;
  }

  stop(): void {
    this.#stopping.abort();
    this.#kafka.close();
  }

  async #chainsBehind(): Promise<string[]> {
    const committed = await this.#kafka.committedOffsets(
      GROUPS.audit,
      AUDITED_TOPICS.map(({ name }) => name),
    );
    const heads = await readHeads(this.#database);
    const next = new Map(heads.map(({ topic, partition, nextOffset }) => [`${topic}/${partition}`, nextOffset]));
    return [...committed].filter(([chain, offset]) => (next.get(chain) ?? 0n) < offset).map(([chain]) => chain);
  }
}
