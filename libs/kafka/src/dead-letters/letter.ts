import type { RawRecord } from '@bongsu/contracts';
import { isDeadLetterHeader } from '../consumer/dead-letters.js';
import type { RawOutgoingRecord } from '../producer/record.js';

/** Says how often a record was sent back to its topic. Not one of the dead-letter headers, which a next death replaces. */
const REPLAYS = 'bongsu_replays';

/** A record that could not be handled, with what its headers say about that. They are only as true as who wrote them. */
export interface Letter {
  /** Where it lies, in the dead-letter topic. */
  readonly partition: number;
  readonly offset: bigint;
  /** Where it came from. */
  readonly origin: {
    readonly topic: string | undefined;
    readonly partition: number | undefined;
    readonly offset: string | undefined;
    /** When it was written there. */
    readonly at: string | undefined;
  };
  readonly code: string | undefined;
  readonly detail: string | undefined;
  /** When it was dead-lettered. */
  readonly deadAt: string | undefined;
  /** How often it had been replayed before. */
  readonly replays: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Its own, without those that the dead-letter topic added. */
  readonly headers: readonly (readonly [name: string, value: Buffer])[];
}

export function letterOf(raw: RawRecord): Letter {
  const text = (name: string): string | undefined => raw.headers.find(([each]) => each === name)?.[1].toString('utf8');
  return {
    partition: raw.partition,
    offset: raw.offset,
    origin: {
      topic: text('dlt_topic'),
      partition: partitionOf(text('dlt_partition')),
      offset: text('dlt_offset'),
      at: timeOf(text('dlt_timestamp')),
    },
    code: text('dlt_code'),
    detail: text('dlt_detail'),
    deadAt: text('dlt_at'),
    replays: replaysOf(text(REPLAYS)),
    key: raw.key,
    value: raw.value,
    headers: raw.headers.filter(([name]) => !isDeadLetterHeader(name)),
  };
}

/**
 * The record as it was, bytes, key and headers, for the partition it came from, with one replay more in its header.
 * @param topic the topic that the dead-letter topic belongs to; what the header says could have been anybody's
 */
export function replayOf(topic: string, letter: Letter): RawOutgoingRecord {
  // Without a prototype: a poisonous header may be named __proto__.
  const headers = Object.create(null) as Record<string, string | Buffer | Buffer[]>;
  for (const [name, value] of letter.headers) {
    const present = headers[name] as Buffer | Buffer[] | undefined;
    headers[name] = present === undefined ? value : Array.isArray(present) ? [...present, value] : [present, value];
  }
  headers[REPLAYS] = String(letter.replays + 1);
  const { key, value } = letter;
  return { topic, partition: letter.origin.partition ?? letter.partition, key, value, headers };
}

const partitionOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;

const replaysOf = (text: string | undefined): number =>
  text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 0;

function timeOf(ms: string | undefined): string | undefined {
  const date = new Date(ms !== undefined && /^-?\d{1,16}$/.test(ms) ? Number(ms) : Number.NaN);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
