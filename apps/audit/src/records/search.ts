import { RECORD_COLUMNS, storedRecord, type RecordRow, type StoredRecord } from '@bongsu/audit-chain';
import type { Database } from '../database/database.js';

/** Where a page of the search begins: after this record. */
export interface SearchPosition {
  readonly timestampMs: bigint;
  readonly topic: string;
  readonly partition: number;
  readonly sequence: bigint;
}

export interface SearchFilter {
  readonly tenant?: string | undefined;
  /** The id of a notification (or of another entity that records are about). */
  readonly subject?: string | undefined;
  readonly recipient?: string | undefined;
  readonly type?: string | undefined;
  readonly topic?: string | undefined;
  /** Kafka's timestamp, milliseconds since 1970: from, inclusive, to, exclusive. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  readonly after?: SearchPosition | undefined;
  readonly limit: number;
}

/** The most bytes of payloads and headers in one page: a hundred records of a megabyte would be held in memory three times. */
const PAGE_BYTES = 8 * 1024 * 1024;

/** The records that match, newest first; `more` tells whether there are further ones (a page also ends when it is large). */
export async function searchRecords(
  database: Database,
  filter: SearchFilter,
): Promise<{ records: StoredRecord[]; more: boolean }> {
  const values: unknown[] = [];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const conditions = conditionsOf(filter, bind);
  const rows = await database.query<RecordRow & { candidates: string }>(
    `SELECT ${RECORD_COLUMNS}, candidates
     FROM (
       SELECT *, sum(octet_length(headers) + coalesce(octet_length(payload), 0)) OVER up_to_here AS bytes,
         row_number() OVER up_to_here AS number, count(*) OVER () AS candidates
       FROM (
         SELECT ${RECORD_COLUMNS} FROM records ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}
         ORDER BY ${NEWEST_FIRST} LIMIT ${bind(filter.limit + 1)}
       ) page
       WINDOW up_to_here AS (ORDER BY ${NEWEST_FIRST} ROWS UNBOUNDED PRECEDING)
     ) numbered
     WHERE number <= ${bind(filter.limit)} AND (number = 1 OR bytes <= ${PAGE_BYTES})
     ORDER BY number`,
    values,
  );
  return { records: rows.map(storedRecord), more: rows.length < Number(rows[0]?.candidates ?? 0) };
}

const NEWEST_FIRST = 'timestamp_ms DESC, topic DESC, partition DESC, sequence DESC';

function conditionsOf(filter: SearchFilter, bind: (value: unknown) => string): string[] {
  const conditions: string[] = [];
  if (filter.tenant !== undefined) conditions.push(`tenant = ${bind(filter.tenant)}`);
  if (filter.subject !== undefined) conditions.push(`subject = ${bind(filter.subject)}`);
  if (filter.recipient !== undefined) conditions.push(`recipient = ${bind(filter.recipient)}`);
  if (filter.topic !== undefined) conditions.push(`topic = ${bind(filter.topic)}`);
  if (filter.type !== undefined) conditions.push(`type = ${bind(filter.type)}`);
  if (filter.fromMs !== undefined) conditions.push(`timestamp_ms >= ${bind(filter.fromMs)}`);
  if (filter.toMs !== undefined) conditions.push(`timestamp_ms < ${bind(filter.toMs)}`);
  if (filter.after) {
    const { timestampMs, topic, partition, sequence } = filter.after;
    const place = [timestampMs, topic, partition, sequence].map(bind).join(', ');
    // The first comparison alone lets the planner leave partitions and index ranges out; a row comparison in DESC order does not.
    conditions.push(`timestamp_ms <= ${bind(timestampMs)}`, `(timestamp_ms, topic, partition, sequence) < (${place})`);
  }
  return conditions;
}
