import { deadLetterTopic, type ErrorCode, type Group, type RawRecord } from '@bongsu/contracts';
import { deadLetterRecords } from '../metrics.js';
import type { KafkaProducer } from '../producer/producer.js';
import type { RawOutgoingRecord } from '../producer/record.js';

/** A record that cannot be handled, and why. */
export interface DeadLetter {
  readonly raw: RawRecord;
  readonly code: ErrorCode;
  readonly detail: string;
}

const PREFIX = 'dlt_';
/** Whether a header is one of those that this file adds. */
export const isDeadLetterHeader = (name: string): boolean => name.startsWith(PREFIX);
const MAX_DETAIL = 500;

/** Writes records, raw bytes and all, to the dead-letter topic of their topic and group, into the partition they came from. */
export class DeadLetterWriter {
  readonly #producer: Pick<KafkaProducer, 'sendRaw'>;
  readonly #group: Group;
  readonly #now: () => Date;

  constructor(producer: Pick<KafkaProducer, 'sendRaw'>, group: Group, now: () => Date = () => new Date()) {
    this.#producer = producer;
    this.#group = group;
    this.#now = now;
  }

  /** Resolves when all of them are acknowledged; rejects with the producer's error when one is not. */
  async write(letters: readonly DeadLetter[]): Promise<void> {
    if (letters.length === 0) return;
    const at = this.#now().toISOString();
    await this.#producer.sendRaw(letters.map((letter) => this.#record(letter, at)));
    for (const { raw, code } of letters) deadLetterRecords.inc({ topic: raw.topic, reason: code });
  }

  #record({ raw, code, detail }: DeadLetter, at: string): RawOutgoingRecord {
    // Without a prototype: a poisonous header may be named __proto__.
    const headers = Object.create(null) as Record<string, string | Buffer | Buffer[]>;
    for (const [name, value] of raw.headers) {
      // A record that was dead-lettered before, and sent again, must not keep its old cause.
      if (isDeadLetterHeader(name)) continue;
      const present = headers[name] as Buffer | Buffer[] | undefined;
      headers[name] = present === undefined ? value : Array.isArray(present) ? [...present, value] : [present, value];
    }
    headers['dlt_topic'] = raw.topic;
    headers['dlt_partition'] = String(raw.partition);
    headers['dlt_offset'] = String(raw.offset);
    headers['dlt_timestamp'] = String(raw.timestamp);
    headers['dlt_group'] = this.#group;
    headers['dlt_code'] = code;
    headers['dlt_detail'] = detail.toWellFormed().slice(0, MAX_DETAIL);
    headers['dlt_at'] = at;
    return {
      topic: deadLetterTopic(raw.topic, this.#group),
      partition: raw.partition,
      key: raw.key,
      value: raw.value,
      headers,
    };
  }
}
