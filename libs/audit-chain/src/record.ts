import { hash } from 'node:crypto';
import { encodeFields, encodeInteger } from './encoding.js';

/** The first field of what is hashed: no other thing that we hash can be taken for a record, and a later format has a name of its own. */
export const RECORD_FORMAT = 'bongsu-audit-record-v1';
/** The same fields, for what the audit service itself has to say about a place: that Kafka left something out (gap.ts). */
export const GAP_FORMAT = 'bongsu-audit-gap-v1';
export const PAYLOAD_FORMAT = 'bongsu-audit-payload-v1';
const TAGS: Readonly<Record<RecordKind, Buffer>> = { record: Buffer.from(RECORD_FORMAT), gap: Buffer.from(GAP_FORMAT) };
const PAYLOAD_TAG = Buffer.from(PAYLOAD_FORMAT);

export const HASH_BYTES = 32;
/** As long as the hash: a shorter one would be what is easiest to guess. */
export const SALT_BYTES = 32;

/** The hash before the first record of every chain. */
export const GENESIS: Buffer = Buffer.alloc(HASH_BYTES);

/** A chain is the records of one partition: `<topic>/<partition>`, with the topic's declared name (without a prefix). */
export const chainName = (topic: string, partition: number): string => `${topic}/${partition}`;

/** `record`: one of Kafka's; `gap`: ours, where Kafka's offsets leave something out. Each has a format name of its own. */
export const RECORD_KINDS = ['record', 'gap'] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** What the hash of a record covers, beside the hash of the record before. */
export interface HashedRecord {
  readonly kind: RecordKind;
  readonly topic: string;
  readonly partition: number;
  /** The place in the chain, from 1, without gaps. */
  readonly sequence: bigint;
  /** The place in Kafka's partition; it may leave some out. */
  readonly offset: bigint;
  /** Milliseconds since 1970, as Kafka gives it: any 64 bits. */
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  /** As `encodeHeaders` writes them. */
  readonly headers: Buffer;
  readonly payloadDigest: Buffer;
}

/**
 * What stands for the payload in the record's hash. The salt is secret (salt.ts): without it, whoever has the digest of an erased
 * payload could find the payload by trying likely ones. A null payload (a tombstone) and an empty one differ.
 */
export function digestPayload(salt: Buffer, payload: Buffer | null): Buffer {
  return hash('sha256', encodeFields([PAYLOAD_TAG, salt, payload]), 'buffer');
}

/** The record's hash, which binds it to everything before it in its chain. docs/audit-format.md says the same in words. */
export function hashRecord(record: HashedRecord, previous: Buffer): Buffer {
  const { kind, topic, partition, sequence, offset, timestampMs, key, headers, payloadDigest } = record;
  const fields = [
    TAGS[kind],
    Buffer.from(chainName(topic, partition)),
    encodeInteger(sequence),
    Buffer.from(topic),
    encodeInteger(BigInt(partition)),
    encodeInteger(offset),
    encodeInteger(timestampMs),
    key,
    headers,
    payloadDigest,
    previous,
  ];
  return hash('sha256', encodeFields(fields), 'buffer');
}
