import {
  chainHead,
  chainName,
  digestPayload,
  encodeHeaders,
  GENESIS,
  type ChainHead,
  type HeadRow,
  type StoredRecord,
} from '@bongsu/audit-chain';
import { ALL_TOPICS, type RawRecord } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { Tx } from '@bongsu/persistence';
import type { Database } from '../database/database.js';
import { link, type Break } from './link.js';
import { breaksTotal, headSequence, recordsTotal } from './metrics.js';
import { FIND_RECORDED, type RecordedRow } from './sql/find-recorded.js';
import { INSERT_RECORDS, insertRecordsValues } from './sql/insert-records.js';
import { BEGIN_CHAIN, LOCK_HEAD, MOVE_HEAD } from './sql/lock-head.js';

/** The most bytes in one insert: a batch of compressed megabytes would otherwise become a statement that no driver can hold. */
const INSERT_BYTES = 8 * 1024 * 1024;

/**
 * Appends Kafka's records to the chain of their partition: one transaction with the chain's head locked, so that a record
 * is in the chain exactly once, however often it is delivered and by however many members of the group at a time.
 */
export class Appender {
  readonly #database: Database;
  readonly #logger: Logger;

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  /**
   * @param topic the declared name
   * @param records in the order of their offsets
   * @returns how many were new
   */
  async append(topic: string, partition: number, records: readonly RawRecord[]): Promise<number> {
    if (records.length === 0) return 0;
    const {
      records: added,
      head,
      breaks,
    } = await this.#database.transaction(async (tx) => {
      const head = await lockHead(tx, topic, partition);
      const isRecorded = await recordedAmong(tx, head, records);
      const linked = link(head, records, isRecorded);
      if (linked.records.length > 0) await write(tx, linked.head, linked.records);
      return linked;
    });
    recordsTotal.inc({ topic, result: 'appended' }, added.length);
    recordsTotal.inc({ topic, result: 'redelivered' }, records.length - added.length);
    headSequence.set({ topic, partition }, Number(head.sequence));
    for (const each of breaks) this.#report(topic, partition, each);
    return added.length;
  }

  /** Says aloud what the chain shows by its offsets: records that Kafka had and the chain will never have. */
  #report(topic: string, partition: number, { kind, expected, got }: Break): void {
    const compacted = ALL_TOPICS.some(({ name, cleanup }) => name === topic && cleanup === 'compact');
    if (kind === 'gap' && compacted) return;
    breaksTotal.inc({ topic, kind });
    const what =
      kind === 'gap'
        ? 'Records were deleted from Kafka before they were recorded: the chain goes on with a gap in its offsets'
        : 'Offsets began again: the topic was deleted and made anew; the chain goes on with the new records';
    this.#logger.error(
      { chain: chainName(topic, partition), expectedOffset: String(expected), offset: String(got) },
      what,
    );
  }
}

async function lockHead(tx: Tx, topic: string, partition: number): Promise<ChainHead> {
  const [row] = await tx.query<HeadRow>(LOCK_HEAD, [topic, partition]);
  if (row) return chainHead(row);
  await tx.query(BEGIN_CHAIN, [topic, partition, GENESIS]);
  const [begun] = await tx.query<HeadRow>(LOCK_HEAD, [topic, partition]);
  if (!begun) throw new Error(`The head of ${chainName(topic, partition)} was deleted while it was being made`);
  return chainHead(begun);
}

/** Which of the records with an offset that was passed before are in the chain: the same record, not just the same offset. */
async function recordedAmong(
  tx: Tx,
  { topic, partition, nextOffset }: ChainHead,
  records: readonly RawRecord[],
): Promise<(record: RawRecord) => boolean> {
  const passed = records.filter(({ offset }) => offset < nextOffset).map(({ offset }) => offset);
  if (passed.length === 0) return () => false;
  const rows = await tx.query<RecordedRow>(FIND_RECORDED, [topic, partition, passed]);
  const byOffset = Map.groupBy(rows, ({ offset }) => BigInt(offset));
  return (record) => (byOffset.get(record.offset) ?? []).some((row) => isSame(record, row));
}

function isSame({ timestamp, key, headers, value }: RawRecord, row: RecordedRow): boolean {
  const sameKey = key === null || row.key === null ? key === row.key : key.equals(row.key);
  return (
    sameKey &&
    BigInt(row.timestamp_ms) === timestamp &&
    row.headers.equals(encodeHeaders(headers)) &&
    (row.salt === null || row.payload_digest.equals(digestPayload(row.salt, value)))
  );
}

async function write(tx: Tx, head: ChainHead, records: readonly StoredRecord[]): Promise<void> {
  const { topic, partition, sequence, hash, nextOffset, epoch } = head;
  for (const part of parts(records)) await tx.query(INSERT_RECORDS, insertRecordsValues(topic, partition, part));
  await tx.query(MOVE_HEAD, [topic, partition, sequence, hash, nextOffset, epoch]);
}

function* parts(records: readonly StoredRecord[]): Generator<readonly StoredRecord[]> {
  let from = 0;
  let bytes = 0;
  for (const [i, { payload, headers, key }] of records.entries()) {
    const size = (payload?.length ?? 0) + headers.length + (key?.length ?? 0);
    if (i > from && bytes + size > INSERT_BYTES) {
      yield records.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  yield records.slice(from);
}
