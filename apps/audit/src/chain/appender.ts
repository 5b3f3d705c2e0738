import {
  chainHead,
  chainName,
  digestPayload,
  encodeHeaders,
  GENESIS,
  hashRecord,
  type Break,
  type ChainHead,
  type SaltKeys,
  type StoredRecord,
} from '@bongsu/audit-chain';
import type { RawRecord } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { Tx } from '@bongsu/persistence';
import type { Database } from '../database/database.js';
import { rememberErasures, withoutErased } from '../erasure/before-insert.js';
import { link } from './link.js';
import { breaksTotal, headSequence, recordsTotal } from './metrics.js';
import { FIND_RECORDED, type RecordedRow } from './sql/find-recorded.js';
import { INSERT_RECORDS, insertRecordsValues } from './sql/insert-records.js';
import { LOCK_CHAIN, READ_HEAD, type HeadReading } from './sql/lock-chain.js';

/** The most bytes in one insert: a batch of compressed megabytes would otherwise become a statement that no driver can hold. */
const INSERT_BYTES = 8 * 1024 * 1024;

/**
 * Appends Kafka's records to the chain of their partition: one transaction with the chain locked, so that a record is in
 * the chain exactly once, however often it is delivered and by however many members of the group at a time.
 */
export class Appender {
  readonly #database: Database;
  readonly #salts: SaltKeys;
  readonly #logger: Logger;
  readonly #onErasures: () => void;

  /** @param onErasures called when records asked for somebody's erasure, once that is on the list */
  constructor(database: Database, salts: SaltKeys, logger: Logger, onErasures: () => void = () => undefined) {
    this.#onErasures = onErasures;
    this.#database = database;
    this.#salts = salts;
    this.#logger = logger;
  }

  /**
   * @param topic the declared name
   * @param records in the order of their offsets
   * @returns how many were new, without the gap records between them
   */
  async append(topic: string, partition: number, records: readonly RawRecord[]): Promise<number> {
    if (records.length === 0) return 0;
    const {
      records: added,
      head,
      breaks,
      erasures,
    } = await this.#database.transaction(async (tx) => {
      const { head, erasing } = await lockHead(tx, topic, partition);
      const isRecorded = await recordedAmong(tx, head, records);
      const linked = link(head, records, { salts: this.#salts, isRecorded });
      await write(tx, linked.head, erasing ? await withoutErased(tx, linked.records) : linked.records);
      const erasures = await rememberErasures(tx, linked.records, this.#logger);
      return { ...linked, erasures };
    });
    const count = added.length - breaks.length;
    recordsTotal.inc({ topic, result: 'appended' }, count);
    recordsTotal.inc({ topic, result: 'redelivered' }, records.length - count);
    headSequence.set({ topic, partition }, Number(head.sequence));
    if (erasures > 0) this.#onErasures();
    for (const each of breaks) this.#report(topic, partition, each);
    return count;
  }

  /**
   * Takes records into their chain as they are, hashes included; those that the chain has already are passed over. For
   * rebuilding from an export, whose verification is the caller's.
   * @param records of one chain, in the order of their sequence
   * @returns how many were new
   * @throws RangeError when they do not go on where the chain ends
   */
  async adopt(records: readonly StoredRecord[]): Promise<number> {
    const [first] = records;
    if (!first) return 0;
    const added = await this.#database.transaction(async (tx) => {
      const { head, erasing } = await lockHead(tx, first.topic, first.partition);
      const following = records.filter(({ sequence }) => sequence > head.sequence);
      const [next] = following;
      if (next && (next.sequence !== head.sequence + 1n || !hashRecord(next, head.hash).equals(next.hash)))
        throw new RangeError(
          `${chainName(first.topic, first.partition)} ends at #${head.sequence}, which #${next.sequence} does not follow`,
        );
      await write(tx, head, erasing ? await withoutErased(tx, following) : following);
      await rememberErasures(tx, following, this.#logger);
      return following.length;
    });
    this.#onErasures();
    return added;
  }

  /** Says aloud what a gap record says in the chain: Kafka had records that the chain will never have. */
  #report(topic: string, partition: number, { kind, expected, got }: Break): void {
    breaksTotal.inc({ topic, kind });
    const what =
      kind === 'gap'
        ? 'Records were deleted from Kafka before they were recorded: the chain goes on behind a gap record'
        : 'Offsets began again: the topic was deleted and made anew; the chain goes on with the new records';
    this.#logger.error(
      { chain: chainName(topic, partition), expectedOffset: String(expected), offset: String(got) },
      what,
    );
  }
}

/** The chain's head, which is the caller's until the transaction ends, and whether there are erasures to be looked up. */
async function lockHead(tx: Tx, topic: string, partition: number): Promise<{ head: ChainHead; erasing: boolean }> {
  await tx.query(LOCK_CHAIN, [chainName(topic, partition)]);
  // A statement of its own: one that waits for the lock would see the chain as it was before the wait.
  const [last] = await tx.query<HeadReading>(READ_HEAD, [topic, partition]);
  const head =
    last && last.topic !== null
      ? chainHead(last)
      : { topic, partition, sequence: 0n, hash: GENESIS, nextOffset: 0n, epoch: 0 };
  return { head, erasing: last?.erasing ?? true };
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

async function write(tx: Tx, { topic, partition }: ChainHead, records: readonly StoredRecord[]): Promise<void> {
  for (const part of parts(records)) await tx.query(INSERT_RECORDS, insertRecordsValues(topic, partition, part));
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
  if (records.length > 0) yield records.slice(from);
}
