import { randomFillSync } from 'node:crypto';
import {
  digestPayload,
  encodeHeaders,
  hashRecord,
  labelsOf,
  SALT_BYTES,
  type ChainHead,
  type StoredRecord,
} from '@bongsu/audit-chain';
import type { RawRecord } from '@bongsu/contracts';

/** Something that happened to Kafka's records between two of ours. */
export interface Break {
  readonly kind: 'gap' | 'reset';
  /** The offset that would have come next, and the one that came. */
  readonly expected: bigint;
  readonly got: bigint;
}

export interface Linked {
  readonly records: StoredRecord[];
  readonly head: ChainHead;
  readonly breaks: Break[];
}

/**
 * The records that follow a chain's head, in Kafka's order. `isRecorded` tells whether a record whose offset was passed
 * before is in the chain already (Kafka delivers again after a crash). One that is not comes from a topic that was deleted
 * and made anew: leaving it out in silence, because its offset is low, would lose every record until the old height.
 */
export function link(head: ChainHead, raw: readonly RawRecord[], isRecorded: (record: RawRecord) => boolean): Linked {
  const salts = randomFillSync(Buffer.allocUnsafe(SALT_BYTES * raw.length));
  const records: StoredRecord[] = [];
  const breaks: Break[] = [];
  let { sequence, hash: previous, nextOffset, epoch } = head;
  for (const [i, record] of raw.entries()) {
    if (record.offset < nextOffset) {
      if (isRecorded(record)) continue;
      breaks.push({ kind: 'reset', expected: nextOffset, got: record.offset });
      epoch++;
    } else if (record.offset > nextOffset) {
      breaks.push({ kind: 'gap', expected: nextOffset, got: record.offset });
    }
    const salt = salts.subarray(i * SALT_BYTES, (i + 1) * SALT_BYTES);
    const linked = linkOne(head, record, { sequence: ++sequence, previous, salt, epoch });
    records.push(linked);
    previous = linked.hash;
    nextOffset = record.offset + 1n;
  }
  return { records, head: { ...head, sequence, hash: previous, nextOffset, epoch }, breaks };
}

interface Place {
  readonly sequence: bigint;
  readonly previous: Buffer;
  readonly salt: Buffer;
  readonly epoch: number;
}

function linkOne(
  { topic, partition }: ChainHead,
  record: RawRecord,
  { sequence, previous, salt, epoch }: Place,
): StoredRecord {
  const headers = encodeHeaders(record.headers);
  const payloadDigest = digestPayload(salt, record.value);
  const hashed = {
    topic,
    partition,
    sequence,
    offset: record.offset,
    timestampMs: record.timestamp,
    key: record.key,
    headers,
    payloadDigest,
  };
  const labels = labelsOf(headers, record.value);
  return { ...hashed, ...labels, epoch, hash: hashRecord(hashed, previous), payload: record.value, salt };
}
