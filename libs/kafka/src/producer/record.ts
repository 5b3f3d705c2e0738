import type { OutgoingRecord } from '@bongsu/contracts';
import type { Message } from 'kafkajs';
import { varintSize } from '../cluster/record-encoding.js';
import type { TopicState } from './topic-catalog.js';

export type { OutgoingRecord } from '@bongsu/contracts';

/** Where an acknowledged record is. `offset` is -1 when Kafka does not tell (acks 0, or a very late duplicate). */
export interface RecordMetadata {
  /** The declared name, without the prefix. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** A record as bytes, for a partition that is already chosen: how dead letters are written. It may lack a key. */
export interface RawOutgoingRecord {
  /** The declared name, without the prefix. */
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, string | Buffer | (string | Buffer)[]>;
}

/** Records that were handed in together: when one fails, those behind it are not sent, or they would overtake it. */
export interface Group {
  failed: boolean;
}

/** A record that waits or is being sent. One object per record, because 60,000 of them pass per second. */
export interface Entry {
  readonly topic: TopicState;
  readonly message: Message & { partition: number };
  readonly bytes: number;
  /** When it was handed in, by the producer's clock, milliseconds. */
  readonly at: number;
  readonly group: Group | undefined;
  readonly resolve: (metadata: RecordMetadata) => void;
  readonly reject: (error: Error) => void;
  /** Which answer the caller has had. With `failed` the send may still be going on. */
  state: 'open' | 'acknowledged' | 'failed';
}

/** Bytes of a record batch without records: offset, length, epochs, CRC, timestamps, producer id, counts (KIP-98). */
export const BATCH_OVERHEAD_BYTES = 61;

const sized = (bytes: number): number => varintSize(bytes) + bytes;
const length = (value: string | Buffer): number =>
  typeof value === 'string' ? Buffer.byteLength(value) : value.length;

/**
 * Bytes that a record takes in a batch (record format v2), uncompressed, with three to spare for its offset and
 * timestamp deltas, which are not known before it is sent.
 */
export function encodedBytes(record: OutgoingRecord | RawOutgoingRecord): number {
  let body = 1 + 2 + 3;
  body += record.key === null ? 1 : sized(length(record.key));
  body += record.value === null ? 1 : sized(record.value.length);
  let count = 0;
  const { headers } = record;
  for (const name in headers) {
    const value = headers[name]!;
    const nameBytes = sized(Buffer.byteLength(name));
    if (Array.isArray(value)) {
      for (const each of value) body += nameBytes + sized(length(each));
      count += value.length;
    } else {
      body += nameBytes + sized(length(value));
      count++;
    }
  }
  return sized(body + varintSize(count));
}

/** What a caller is told of a record that Kafka has neither acknowledged nor refused. */
export const UNKNOWN = 'Kafka has not acknowledged the record yet; it may still do so';

export const tooLarge = ({ bytes, topic }: Entry): string =>
  `The record takes ${bytes} bytes; ${topic.name} takes ${topic.maxMessageBytes - BATCH_OVERHEAD_BYTES}`;
