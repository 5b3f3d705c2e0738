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
import { GroupCommit, type Tx } from '@bongsu/persistence';
import type { Database } from '../database/database.js';
import { rememberErasures, withoutErased } from '../erasure/before-insert.js';
import { link, type Linked } from './link.js';
import { breaksTotal, headSequence, recordsTotal } from './metrics.js';
import { FIND_RECORDED, type RecordedRow } from './sql/find-recorded.js';
import { INSERT_RECORDS, insertRecordsValues } from './sql/insert-records.js';
import { LOCK_CHAINS, READ_HEADS, type HeadReading } from './sql/lock-chain.js';

/** The most bytes in one insert: a batch of compressed megabytes would otherwise become a statement that no driver can hold. */
const INSERT_BYTES = 8 * 1024 * 1024;

/** Records in one transaction, after which those of no further partition join it. */
const ENOUGH = 500;
/** Transactions under way at the same time: while one is hashed, others are written. */
const AT_ONCE = 4;

/** Records of one partition, in the order of their offsets. */
interface Piece {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly RawRecord[];
}

/**
 * Appends Kafka's records to the chains of their partitions: one transaction with the chains locked, so that a record is in
 * its chain exactly once, however often it is delivered and by however many members of the group at a time.
 */
export class Appender {
  readonly #database: Database;
  readonly #salts: SaltKeys;
  readonly #logger: Logger;
  readonly #onErasures: () => void;
  readonly #commits: GroupCommit<Piece, number>;

  /** @param onErasures called when records asked for somebody's erasure, once that is on the list */
  constructor(database: Database, salts: SaltKeys, logger: Logger, onErasures: () => void = () => undefined) {
    this.#onErasures = onErasures;
    this.#database = database;
    this.#salts = salts;
    this.#logger = logger;
    this.#commits = new GroupCommit({
      commit: (pieces) => this.#append(pieces),
      nameOf: ({ topic, partition }) => chainName(topic, partition),
      sizeOf: ({ records }) => records.length,
      enough: () => ENOUGH,
      atOnce: AT_ONCE,
    });
  }

  /**
   * @param topic the declared name
   * @param records in the order of their offsets
   * @returns how many were new, without the gap records between them
   */
  async append(topic: string, partition: number, records: readonly RawRecord[]): Promise<number> {
    return records.length === 0 ? 0 : this.#commits.add({ topic, partition, records });
  }

  async #append(pieces: readonly Piece[]): Promise<number[]> {
    const { linked, erasures } = await this.#database.transaction(async (tx) => {
      const { heads, erasing } = await lockHeads(tx, pieces);
      const linked: Linked[] = [];
      for (const [i, { records }] of pieces.entries()) {
        const isRecorded = await recordedAmong(tx, heads[i]!, records);
        linked.push(link(heads[i]!, records, { salts: this.#salts, isRecorded }));
      }
      const added = linked.flatMap(({ records }) => records);
      await write(tx, erasing ? await withoutErased(tx, added) : added);
      return { linked, erasures: await rememberErasures(tx, added, this.#logger) };
    });
    if (erasures > 0) this.#onErasures();
    return pieces.map((piece, i) => this.#tell(piece, linked[i]!));
  }

  #tell({ topic, partition, records }: Piece, { records: added, head, breaks }: Linked): number {
    const count = added.length - breaks.length;
    recordsTotal.inc({ topic, result: 'appended' }, count);
    recordsTotal.inc({ topic, result: 'redelivered' }, records.length - count);
    headSequence.set({ topic, partition }, Number(head.sequence));
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
      const { heads, erasing } = await lockHeads(tx, [first]);
      const head = heads[0]!;
      const following = records.filter(({ sequence }) => sequence > head.sequence);
      const [next] = following;
      if (next && (next.sequence !== head.sequence + 1n || !hashRecord(next, head.hash).equals(next.hash)))
        throw new RangeError(
          `${chainName(first.topic, first.partition)} ends at #${head.sequence}, which #${next.sequence} does not follow`,
        );
      await write(tx, erasing ? await withoutErased(tx, following) : following);
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

/** The heads of chains, in their order, which are the caller's until the transaction ends, and whether there are erasures to be looked up. */
async function lockHeads(
  tx: Tx,
  chains: readonly Pick<ChainHead, 'topic' | 'partition'>[],
): Promise<{ heads: ChainHead[]; erasing: boolean }> {
  await tx.query(LOCK_CHAINS, [chains.map(({ topic, partition }) => chainName(topic, partition)).sort()]);
  // A statement of its own: one that waits for the lock would see the chains as they were before the wait.
  const last = await tx.query<HeadReading>(READ_HEADS, [
    chains.map(({ topic }) => topic),
    chains.map(({ partition }) => partition),
  ]);
  const heads = chains.map(({ topic, partition }, i) => {
    const row = last[i];
    return row && row.topic !== null
      ? chainHead(row)
      : { topic, partition, sequence: 0n, hash: GENESIS, nextOffset: 0n, epoch: 0 };
  });
  return { heads, erasing: last[0]?.erasing ?? true };
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

async function write(tx: Tx, records: readonly StoredRecord[]): Promise<void> {
  for (const part of parts(records)) await tx.query(INSERT_RECORDS, insertRecordsValues(part));
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
