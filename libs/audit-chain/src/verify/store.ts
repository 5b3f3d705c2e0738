import type { RecordKind } from '../record.js';
import { ChainVerifier, type ChainHead, type Finding, type StoredRecord } from './chain-verifier.js';

/** Reads rows; `values` are bound to $1, $2, … */
export type Query = <R>(sql: string, values?: readonly unknown[]) => Promise<R[]>;

/**
 * Runs reads in one read-only transaction of isolation REPEATABLE READ, with the audit's schema in the search path. The
 * service and the CLI have different connections, and the same statements.
 */
export type Snapshot = <T>(work: (query: Query) => Promise<T>) => Promise<T>;

export interface VerifyReport {
  /** Whether no problem was found. */
  readonly ok: boolean;
  /** Records read. */
  readonly records: number;
  readonly chains: number;
  /** At most 100 per chain; `problemCount` counts all. */
  readonly problems: readonly Finding[];
  readonly problemCount: number;
  readonly notices?: readonly Finding[];
}

/**
 * Verifies everything in an audit database, chain by chain. Each chain is read in one snapshot, so that appending goes on
 * meanwhile; memory stays flat, whatever the number and size of records. Rejects when the database cannot be read.
 */
export async function verifyStore(snapshot: Snapshot): Promise<VerifyReport> {
  const names = await snapshot((query) => query<ChainKey>(CHAINS));
  const verified: ChainVerifier[] = [];
  for (const { topic, partition } of names)
    verified.push(await snapshot((query) => verifyChain(query, topic, partition)));
  const problemCount = verified.reduce((sum, each) => sum + each.problemCount, 0);
  return {
    ok: problemCount === 0,
    records: verified.reduce((sum, each) => sum + each.records, 0),
    chains: verified.length,
    problems: verified.flatMap(({ problems }) => problems),
    problemCount,
    notices: verified.flatMap(({ notices }) => notices),
  };
}

async function verifyChain(query: Query, topic: string, partition: number): Promise<ChainVerifier> {
  const verifier = new ChainVerifier(topic, partition);
  for await (const record of recordsOf(query, topic, partition)) verifier.next(record);
  return verifier;
}

/** The records of a chain in the order of their sequence, a page at a time: all, or those that follow a place. */
export async function* recordsOf(
  query: Query,
  topic: string,
  partition: number,
  after?: bigint,
): AsyncGenerator<StoredRecord> {
  let page =
    after === undefined
      ? await query<RecordRow>(FIRST_PAGE, [topic, partition])
      : await query<RecordRow>(NEXT_PAGE, [topic, partition, after, MAX_INT64]);
  for (let last = page.at(-1); last; last = page.at(-1)) {
    for (const row of page) yield storedRecord(row);
    page = await query<RecordRow>(NEXT_PAGE, [topic, partition, last.sequence, last.timestamp_ms]);
  }
}

export interface HeadRow {
  readonly topic: string;
  readonly partition: number;
  readonly sequence: string;
  readonly hash: Buffer;
  readonly next_offset: string;
  readonly epoch: number;
}

export interface RecordRow {
  readonly kind: RecordKind;
  readonly topic: string;
  readonly partition: number;
  readonly sequence: string;
  readonly offset: string;
  readonly epoch: number;
  readonly timestamp_ms: string;
  readonly key: Buffer | null;
  readonly headers: Buffer;
  readonly payload: Buffer | null;
  readonly salt: Buffer | null;
  readonly payload_digest: Buffer;
  readonly hash: Buffer;
  readonly event_id: string | null;
  readonly type: string | null;
  readonly subject: string | null;
  readonly tenant: string | null;
  readonly recipient: string | null;
}

/** The columns of a RecordRow, as SQL. */
export const RECORD_COLUMNS =
  'kind, topic, partition, sequence, "offset", epoch, timestamp_ms, key, headers, payload, salt, payload_digest, hash, event_id, type, subject, tenant, recipient';

export const chainHead = (row: HeadRow): ChainHead => ({
  topic: row.topic,
  partition: row.partition,
  sequence: BigInt(row.sequence),
  hash: row.hash,
  nextOffset: BigInt(row.next_offset),
  epoch: row.epoch,
});

export const storedRecord = (row: RecordRow): StoredRecord => ({
  kind: row.kind,
  topic: row.topic,
  partition: row.partition,
  sequence: BigInt(row.sequence),
  offset: BigInt(row.offset),
  epoch: row.epoch,
  timestampMs: BigInt(row.timestamp_ms),
  key: row.key,
  headers: row.headers,
  payload: row.payload,
  salt: row.salt,
  payloadDigest: row.payload_digest,
  hash: row.hash,
  eventId: row.event_id,
  type: row.type,
  subject: row.subject,
  tenant: row.tenant,
  recipient: row.recipient,
});

interface ChainKey {
  readonly topic: string;
  readonly partition: number;
}

/**
 * What follows from a chain's last record: its head. A chain that has no record has no head. The index of the primary key
 * of each month's partition is read at its end, so this takes as many look-ups as there are months.
 */
export const LAST_RECORD = `
  SELECT topic, partition, sequence, hash, "offset" + 1 AS next_offset, epoch FROM records
  WHERE topic = $1 AND partition = $2 ORDER BY sequence DESC, timestamp_ms DESC LIMIT 1`;

/** The recursion hops from one chain to the next in the primary key's index; a DISTINCT would read all records. */
const FOUND = `
  WITH RECURSIVE found AS (
    (SELECT topic, partition FROM records ORDER BY topic, partition LIMIT 1)
    UNION ALL
    SELECT following.topic, following.partition
    FROM found, LATERAL (
      SELECT topic, partition FROM records
      WHERE (topic, partition) > (found.topic, found.partition)
      ORDER BY topic, partition LIMIT 1
    ) following
  )`;
const CHAINS = `${FOUND} SELECT topic, partition FROM found`;

/** The heads of all chains, by topic and partition. */
export const LAST_RECORDS = `${FOUND}
  SELECT head.* FROM found, LATERAL (
    SELECT topic, partition, sequence, hash, "offset" + 1 AS next_offset, epoch FROM records
    WHERE topic = found.topic AND partition = found.partition ORDER BY sequence DESC, timestamp_ms DESC LIMIT 1
  ) head
  ORDER BY topic, partition`;

const MAX_INT64 = 2n ** 63n - 1n;

/** Rows and bytes of one page: enough to make the round trip cheap, little enough for records of a megabyte. */
const PAGE_ROWS = 2_000;
const PAGE_BYTES = 8 * 1024 * 1024;

/**
 * A page ends after so many rows or bytes, whichever comes first, and has one row at least. The timestamp is in the
 * order because a forged second record in one place (same sequence) must not hide at the edge of a page.
 */
const page = (after: string): string => `
  SELECT ${RECORD_COLUMNS}
  FROM (
    SELECT *, sum(octet_length(headers) + coalesce(octet_length(payload), 0)) OVER up_to_here AS bytes,
      row_number() OVER up_to_here AS number
    FROM (
      SELECT ${RECORD_COLUMNS} FROM records
      WHERE topic = $1 AND partition = $2 ${after}
      ORDER BY sequence, timestamp_ms LIMIT ${PAGE_ROWS}
    ) candidates
    WINDOW up_to_here AS (ORDER BY sequence, timestamp_ms ROWS UNBOUNDED PRECEDING)
  ) numbered
  WHERE number = 1 OR bytes <= ${PAGE_BYTES}
  ORDER BY sequence, timestamp_ms`;
const FIRST_PAGE = page('');
const NEXT_PAGE = page('AND (sequence, timestamp_ms) > ($3, $4)');
