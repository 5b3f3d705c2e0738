import { chainsIn } from './chains-in.js';
import { chainName, type RecordKind } from '../record.js';
import type { ChainHead, StoredRecord } from './chain-verifier.js';
import { CheckpointBook, type CheckpointRow } from './checkpoint-book.js';
import type { VerifyReport } from './report.js';
import { ANNOUNCEMENTS, CHECKPOINTS, hasCheckpoints, NEWEST_CHECKPOINT, SIGNED_CHAINS } from './stored-checkpoints.js';
import { TrailVerifier } from './trail.js';

/** Reads rows; `values` are bound to $1, $2, … */
export type Query = <R>(sql: string, values?: readonly unknown[]) => Promise<R[]>;

/**
 * Runs reads in one read-only transaction of isolation REPEATABLE READ, with the audit's schema in the search path. The
 * service and the CLI have different connections, and the same statements.
 */
export type Snapshot = <T>(work: (query: Query) => Promise<T>) => Promise<T>;

/**
 * Verifies everything in an audit database, chain by chain. Each chain is read in one snapshot, so that appending goes on
 * meanwhile; memory stays flat, whatever the number and size of records. Rejects when the database cannot be read.
 * @param book what was signed as far as it is kept elsewhere, and whose signatures count; the store's own checkpoints are read here
 * @param onPage called with the records of each page: for progress, and for who has more to compare
 */
export async function verifyStore(
  snapshot: Snapshot,
  book: CheckpointBook = new CheckpointBook(),
  onPage: (page: readonly StoredRecord[]) => void | Promise<void> = () => undefined,
): Promise<VerifyReport> {
  const trail = new TrailVerifier(book);
  for (const { topic, partition } of await snapshot((query) => chainsToVerify(query, book))) {
    await snapshot(async (query) => {
      for await (const page of verifyChain(query, trail, book, topic, partition)) await onPage(page);
    });
  }
  return trail.report();
}

/** The chains that a store has records of or checkpoints of; and takes in which keys its checkpoints announce. */
export async function chainsToVerify(query: Query, book: CheckpointBook): Promise<ChainKey[]> {
  const chains = await query<ChainKey>(CHAINS);
  if (!(await hasCheckpoints(query))) return chains;
  book.learn((await query<{ note: string }>(ANNOUNCEMENTS)).map(({ note }) => note));
  const names = new Set(chains.map(({ topic, partition }) => chainName(topic, partition)));
  const signed = await query<ChainKey>(SIGNED_CHAINS);
  return [...chains, ...signed.filter(({ topic, partition }) => !names.has(chainName(topic, partition)))];
}

/**
 * Verifies one chain as it is at the time of the call and gives its records, page by page, so that the caller may take its
 * time between two. The newest checkpoint is read before the head: without a snapshot, later ones could sign later records.
 */
export async function* verifyChain(
  query: Query,
  trail: TrailVerifier,
  book: CheckpointBook,
  topic: string,
  partition: number,
): AsyncGenerator<StoredRecord[]> {
  const chain = trail.begin(topic, partition);
  const newest = (await hasCheckpoints(query)) ? await query<CheckpointRow>(NEWEST_CHECKPOINT, [topic, partition]) : [];
  const [head] = await query<HeadRow>(LAST_RECORD, [topic, partition]);
  const upTo = head ? BigInt(head.sequence) : 0n;
  let signed = -1n;
  const expectUpTo = async (size: bigint): Promise<void> => {
    if (newest.length === 0 || size <= signed) return;
    const rows = await query<CheckpointRow>(CHECKPOINTS, [topic, partition, signed, size]);
    chain.expect(rows.flatMap((row) => book.stateOf(row, topic, partition) ?? []));
    signed = size;
  };
  for await (const page of pagesOf(query, topic, partition, expectUpTo)) {
    const records = page.filter(({ sequence }) => sequence <= upTo); // appended after the call: a busy chain would keep us for ever
    for (const record of records) chain.next(record);
    yield records;
    if (records.length < page.length) break;
  }
  chain.expect(
    newest.filter(({ size }) => BigInt(size) > signed).flatMap((row) => book.stateOf(row, topic, partition) ?? []),
  );
  trail.endChain();
}

/** Pages of a chain; each next one is on its way while the caller has one in hand. `before` is done first for each. */
async function* pagesOf(
  query: Query,
  topic: string,
  partition: number,
  before: (lastSequence: bigint) => Promise<void>,
): AsyncGenerator<StoredRecord[]> {
  let page = await query<RecordRow>(FIRST_PAGE, [topic, partition]);
  for (let last = page.at(-1); last; last = page.at(-1)) {
    await before(BigInt(last.sequence));
    const following = query<RecordRow>(NEXT_PAGE, [topic, partition, last.sequence, last.timestamp_ms]);
    const settled = following.catch(() => []); // told below, unless the caller has left: then nobody is there to be told
    try {
      yield page.map(storedRecord);
    } finally {
      await settled; // the connection is free again, whatever the caller does next
    }
    page = await following;
  }
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
 * What follows from the last record of a chain, whose topic and partition are given as SQL: its head. A chain that has no record has
 * no head. The index of the primary key of each month's partition is read at its end, so this takes as many look-ups as there are months.
 */
export const lastRecordOf = (topic: string, partition: string): string => `
  SELECT topic, partition, sequence, hash, "offset" + 1 AS next_offset, epoch FROM records
  WHERE topic = ${topic} AND partition = ${partition} ORDER BY sequence DESC, timestamp_ms DESC LIMIT 1`;

/** The head of the chain $1, $2. */
export const LAST_RECORD = lastRecordOf('$1', '$2');

const FOUND = chainsIn('records');
const CHAINS = `${FOUND} SELECT topic, partition FROM found`;

/** The heads of all chains, by topic and partition. */
export const LAST_RECORDS = `${FOUND}
  SELECT head.* FROM found, LATERAL (${lastRecordOf('found.topic', 'found.partition')}) head
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
