import {
  encodeEvent,
  newEventId,
  REDRIVE_REQUESTED,
  TOPICS,
  type Channel,
  type OutgoingRecord,
  type RedriveRequested,
} from '@bongsu/contracts';
import type { CallerIdentity } from '@bongsu/http';
import type { KafkaProducer } from '@bongsu/kafka';
import type { DeadLetters } from './dead-letters.js';
import type { DeadLetterFilter, RedrivableRow } from './sql/dead-letters.js';

/** How far ahead a delivery may become due; what a slow pace would put off further is left for a later redrive. */
const AHEAD_S = 365 * 86_400;

export interface RedriveOrder {
  readonly filter: DeadLetterFilter;
  /** How many may become due per second; more than 0. */
  readonly ratePerSecond: number;
  /** Redrive no more than so many. */
  readonly limit?: number | undefined;
}

/**
 * Has dead deliveries tried again, by a command for each. The pace needs nothing that could be lost: each command says when its
 * delivery is due. A command counts once, whoever sends it again, so that after a failure the whole redrive may be repeated:
 * it goes on with what is still dead.
 */
export class Redrive {
  private readonly letters: DeadLetters;
  private readonly producer: Pick<KafkaProducer, 'sendAll'>;
  private readonly now: () => number;

  constructor(letters: DeadLetters, producer: Pick<KafkaProducer, 'sendAll'>, now: () => number = Date.now) {
    this.letters = letters;
    this.producer = producer;
    this.now = now;
  }

  /** How many deliveries `redrive` would send a command for. Throws database_unavailable. */
  matched(order: RedriveOrder): Promise<number> {
    return this.letters.count(order.filter, mostOf(order));
  }

  /**
   * Resolves when Kafka has every command. Those that have been dead for longest come first. Throws kafka_unavailable,
   * producer_buffer_full, database_unavailable; what was sent before that stays.
   */
  async redrive(order: RedriveOrder, caller: CallerIdentity): Promise<{ redriveId: string; matched: number }> {
    const startedAt = this.now();
    const redriveId = newEventId();
    let matched = 0;
    for await (const page of this.letters.pages(order.filter, mostOf(order))) {
      const records = page.map((letter, index) => {
        const notBefore = startedAt + Math.round(((matched + index) * 1000) / order.ratePerSecond);
        return redriveRecord(letter, caller, redriveId, new Date(startedAt), new Date(notBefore));
      });
      await this.producer.sendAll(records);
      matched += page.length;
    }
    return { redriveId, matched };
  }
}

const mostOf = ({ ratePerSecond, limit = Number.MAX_SAFE_INTEGER }: RedriveOrder): number =>
  Math.min(limit, Math.floor(AHEAD_S * ratePerSecond) + 1);

function redriveRecord(
  letter: RedrivableRow,
  caller: CallerIdentity,
  redriveId: string,
  requestedAt: Date,
  notBefore: Date,
): OutgoingRecord {
  const data: RedriveRequested = {
    notificationId: letter.notificationId,
    tenant: caller.tenant,
    deliveryId: letter.id,
    channel: letter.channel as Channel,
    version: letter.version,
    notBefore: notBefore.toISOString(),
    redriveId,
    requestedAt: requestedAt.toISOString(),
    requestedBy: caller.keyId,
  };
  return encodeEvent(TOPICS.commands, letter.key, {
    id: newEventId(),
    source: '/bongsu/api',
    type: REDRIVE_REQUESTED,
    subject: letter.notificationId,
    time: data.requestedAt,
    data,
  });
}
