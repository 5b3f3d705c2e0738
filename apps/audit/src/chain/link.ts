import {
  digestPayload,
  encodeHeaders,
  GAP_HEADERS,
  gapPayload,
  hashRecord,
  labelsOf,
  type Break,
  type ChainHead,
  type SaltKeys,
  type StoredRecord,
} from '@bongsu/audit-chain';
import { ALL_TOPICS, type RawRecord } from '@bongsu/contracts';

export interface Linked {
  /** Kafka's, and gap records between them. */
  readonly records: StoredRecord[];
  readonly head: ChainHead;
  readonly breaks: Break[];
}

export interface Linking {
  readonly salts: SaltKeys;
  /** Whether a record whose offset was passed before is in the chain already: Kafka delivers again after a crash. */
  readonly isRecorded: (record: RawRecord) => boolean;
}

/**
 * The records that follow a chain's head, in Kafka's order. One whose offset was passed and that is not in the chain comes
 * from a topic that was deleted and made anew: leaving it out in silence, because its offset is low, would lose every
 * record until the old height. Such a reset, and offsets that are missing (where Kafka does not compact), become a
 * record of their own before the one that showed them.
 */
export function link(head: ChainHead, raw: readonly RawRecord[], { salts, isRecorded }: Linking): Linked {
  const chain = new Continuation(head, salts);
  const compacted = isCompacted(head.topic);
  const breaks: Break[] = [];
  for (const record of raw) {
    const { nextOffset: expected } = chain.head;
    if (record.offset < expected && isRecorded(record)) continue;
    const found = breakBetween(expected, record.offset, compacted);
    if (found) {
      breaks.push(found);
      chain.appendGap(found, record.timestamp);
    }
    chain.append(record);
  }
  return { records: chain.records, head: chain.head, breaks };
}

function breakBetween(expected: bigint, got: bigint, compacted: boolean): Break | undefined {
  if (got < expected) return { kind: 'reset', expected, got };
  return got > expected && !compacted ? { kind: 'gap', expected, got } : undefined;
}

const isCompacted = (topic: string): boolean =>
  ALL_TOPICS.some(({ name, cleanup }) => name === topic && cleanup === 'compact');

/** What is appended to a chain, and where it stands by then. */
class Continuation {
  head: ChainHead;
  readonly records: StoredRecord[] = [];
  readonly #salts: SaltKeys;

  constructor(head: ChainHead, salts: SaltKeys) {
    this.head = head;
    this.#salts = salts;
  }

  append({ offset, timestamp, key, headers, value }: RawRecord): void {
    const given = { key, headers: encodeHeaders(headers), payload: value };
    this.#add({ kind: 'record', epoch: this.head.epoch, offset, timestampMs: timestamp, ...given });
  }

  /** The gap record has the offset before the one that came, which no record of Kafka can have any more, and its timestamp. */
  appendGap(found: Break, timestampMs: bigint): void {
    const epoch = found.kind === 'reset' ? this.head.epoch + 1 : this.head.epoch;
    const said = { key: null, headers: GAP_HEADERS, payload: gapPayload(found) };
    this.#add({ kind: 'gap', epoch, offset: found.got - 1n, timestampMs, ...said });
  }

  #add(given: Pick<StoredRecord, 'kind' | 'epoch' | 'offset' | 'timestampMs' | 'key' | 'headers' | 'payload'>): void {
    const { topic, partition } = this.head;
    const { epoch, offset, headers, payload } = given;
    const sequence = this.head.sequence + 1n;
    const salt = this.#salts.saltOf({ topic, partition, ...given });
    const hashed = { ...given, topic, partition, sequence, payloadDigest: digestPayload(salt, payload) };
    const hash = hashRecord(hashed, this.head.hash);
    this.records.push({ ...hashed, ...labelsOf(headers, payload), hash, salt });
    this.head = { topic, partition, sequence, hash, nextOffset: offset + 1n, epoch };
  }
}
