import { ALL_TOPICS } from '@bongsu/contracts';
import { breakIn, GAP_HEADERS, gapPayload } from '../gap.js';
import type { Labels } from '../labels.js';
import { labelsOf, tenantFitsKey } from '../labels.js';
import { chainName, digestPayload, GENESIS, hashRecord, SALT_BYTES, type HashedRecord } from '../record.js';

/** A record as the store (or an export) has it. */
export interface StoredRecord extends HashedRecord, Labels {
  readonly epoch: number;
  readonly hash: Buffer;
  readonly payload: Buffer | null;
  /** Null when the payload was erased, together with it. */
  readonly salt: Buffer | null;
}

/** Where a chain ends: what follows from its last record, or from there being none. */
export interface ChainHead {
  readonly topic: string;
  readonly partition: number;
  /** The sequence of the last record, which is the number of records. */
  readonly sequence: bigint;
  readonly hash: Buffer;
  /** The offset after that of the last record: what comes below it was recorded before. */
  readonly nextOffset: bigint;
  /** How often the offsets of the partition began again: its topic was deleted and made anew. */
  readonly epoch: number;
}

/** Something to say about a place in a chain. */
export interface Finding {
  readonly chain: string;
  readonly sequence: number;
  readonly what: string;
}

/** The most findings kept per chain: a store that was damaged all over must not fill memory with the list of it. */
const MAX_FINDINGS = 100;

/**
 * Checks one chain, record by record in the order of their sequence: every hash computed again, the sequence without
 * gaps, the labels as the record says, what Kafka left out said in gap records. Findings name the first place and each further one that
 * does not merely follow from it: after a bad record the check goes on from what the store has.
 */
export class ChainVerifier {
  readonly chain: string;
  readonly problems: Finding[] = [];
  /** What does not break the chain, yet somebody should know: records that Kafka had deleted before they were read. */
  readonly notices: Finding[] = [];
  /** Records seen. */
  records = 0;
  /** All problems, also those beyond what is kept. */
  problemCount = 0;

  /** Whether hashes or places are wrong somewhere: then no checkpoint from there on can match, and that says nothing new. */
  broken = false;

  private readonly compacted: boolean;
  private expected = 1n;
  /** Undefined after a missing or bad place: what was there cannot be told, so nothing is compared with it. */
  private previous: Buffer | undefined = GENESIS;
  private lastOffset: bigint | undefined = -1n;
  private epoch = 0;

  constructor(topic: string, partition: number) {
    this.chain = chainName(topic, partition);
    this.compacted = ALL_TOPICS.some(({ name, cleanup }) => name === topic && cleanup === 'compact');
  }

  /** To be called first, for a part of a chain: it begins with this sequence, and what was before cannot be told. */
  beginAt(sequence: bigint): void {
    this.expected = sequence;
    this.previous = undefined;
    this.lastOffset = undefined;
  }

  /** The place of the last record that was seen, or of the last that is missing before it; 0 at the beginning. */
  get sequence(): bigint {
    return this.expected - 1n;
  }

  /** The hash of the last record as it stands there; undefined when that is missing. */
  get head(): Buffer | undefined {
    return this.previous;
  }

  next(record: StoredRecord): void {
    this.records++;
    if (!this.inSequence(record)) return;
    const sound = this.hashHolds(record);
    this.payloadHolds(record);
    this.labelsHold(record);
    if (sound) this.offsetFollows(record);
    this.previous = record.hash;
    this.lastOffset = sound ? record.offset : undefined;
  }

  /** False when the record takes a place that is taken already; the chain then goes on without it. */
  private inSequence({ sequence }: StoredRecord): boolean {
    if (sequence < this.expected) {
      this.breaks(
        sequence,
        this.records === 1 ? 'no chain begins before #1' : 'there is more than one record in this place',
      );
      return false;
    }
    if (sequence > this.expected) {
      this.breaks(this.expected, `${span(this.expected, sequence - 1n)} missing`);
      this.previous = undefined;
      this.lastOffset = undefined;
    }
    this.expected = sequence + 1n;
    return true;
  }

  private hashHolds(record: StoredRecord): boolean {
    if (!this.previous || hashRecord(record, this.previous).equals(record.hash)) return true;
    this.breaks(
      record.sequence,
      'the hash does not match: the record (its hash, offset, timestamp, key, headers or payload digest) or the one before was changed',
    );
    return false;
  }

  private payloadHolds({ sequence, payload, salt, payloadDigest }: StoredRecord): void {
    if (salt === null) {
      if (payload !== null) this.problem(sequence, 'the payload has lost its salt, without which it cannot be checked');
    } else if (salt.length !== SALT_BYTES || !digestPayload(salt, payload).equals(payloadDigest)) {
      this.problem(sequence, 'the payload or its salt was changed: they do not match the payload digest');
    }
  }

  private labelsHold(record: StoredRecord): void {
    const erased = record.salt === null;
    const derived = labelsOf(record.headers, record.payload);
    for (const name of ['eventId', 'type', 'subject', 'tenant', 'recipient'] as const) {
      if (record[name] === derived[name]) continue;
      // What was read off an erased payload cannot be derived again; of a tenant, the key still tells.
      if (erased && name === 'tenant' && tenantFitsKey(record.tenant, record.key)) continue;
      this.problem(record.sequence, `the column "${name}" does not say what the record says`);
    }
  }

  private offsetFollows(record: StoredRecord): void {
    const { sequence, offset, epoch } = record;
    if (this.lastOffset === undefined) {
      this.epoch = epoch;
      return;
    }
    if (record.kind === 'gap') return this.gapHolds(record, this.lastOffset + 1n);
    const began = offset <= this.lastOffset;
    const expected = began ? this.epoch + 1 : this.epoch;
    if (epoch !== expected) this.problem(sequence, `the epoch is ${epoch}, by the offsets it must be ${expected}`);
    if (began) this.notice(sequence, `offsets began again at ${offset} after ${this.lastOffset}, without a gap record`);
    else if (!this.compacted && offset > this.lastOffset + 1n) {
      this.notice(sequence, `offsets ${this.lastOffset + 1n} to ${offset - 1n} are missing, without a gap record`);
    }
    this.epoch = expected;
  }

  /** A gap record says what the offsets before and behind it say, and its bytes are those that follow from that alone. */
  private gapHolds({ sequence, offset, epoch, key, headers, payload }: StoredRecord, expected: bigint): void {
    const told = breakIn(payload ?? Buffer.alloc(0));
    const kind = offset + 1n < expected ? 'reset' : 'gap';
    const expectedEpoch = kind === 'reset' ? this.epoch + 1 : this.epoch;
    this.epoch = expectedEpoch;
    const sound =
      told !== undefined &&
      offset + 1n !== expected &&
      key === null &&
      headers.equals(GAP_HEADERS) &&
      gapPayload(told).equals(gapPayload({ kind, expected, got: offset + 1n }));
    if (!sound) this.problem(sequence, `the gap record does not say what was left out before offset ${offset + 1n}`);
    else if (epoch !== expectedEpoch)
      this.problem(sequence, `the epoch is ${epoch}, by the gap record it must be ${expectedEpoch}`);
    else if (kind === 'reset')
      this.notice(sequence, `offsets began again at ${offset + 1n} instead of ${expected}: the topic was made anew`);
    else this.notice(sequence, `offsets ${expected} to ${offset} were gone from Kafka before they could be recorded`);
  }

  /** A problem after which the hashes of this chain are not those that were signed. */
  breaks(sequence: bigint, what: string): void {
    this.broken = true;
    this.problem(sequence, what);
  }

  private problem(sequence: bigint, what: string): void {
    this.problemCount++;
    if (this.problems.length < MAX_FINDINGS)
      this.problems.push({ chain: this.chain, sequence: Number(sequence), what });
  }

  private notice(sequence: bigint, what: string): void {
    if (this.notices.length < MAX_FINDINGS) this.notices.push({ chain: this.chain, sequence: Number(sequence), what });
  }
}

const span = (from: bigint, to: bigint): string =>
  from === to ? `record #${from} is` : `records #${from} to #${to} are`;
