import {
  chainName,
  CompactRange,
  exportLine,
  GENESIS,
  hashLeaf,
  inclusionProof,
  verifyInclusion,
  type ExportLine,
  type StoredRecord,
} from '@bongsu/audit-chain';
import { BongsuError } from '@bongsu/contracts';
import { HttpProblem } from '@bongsu/http';
import type { Logger } from '@bongsu/observability';
import type { Database } from '../database/database.js';
import { searchRecords } from '../records/search.js';
import { verifyFailures } from '../verify/metrics.js';
import type { CheckpointKeys } from './checkpoint-keys.js';
import { verifierKeys } from './keys.controller.js';
import { ANNOUNCEMENTS, HASHES, NEWEST, type CheckpointRow } from './sql/checkpoints.js';
import { storedNodes } from './tree-tiles.js';

/** The first member of every receipt. */
export const RECEIPT_FORMAT = 'bongsu-audit-receipt-v1';
/** A notification has a handful of records; what has more than this was not made by this system. */
const MAX_RECORDS = 1_000;

export interface ReceiptEntry extends ExportLine {
  /** The linked hash of the record before, hexadecimal. */
  readonly previousHash: string;
  /** Base64, the lowest sibling first. */
  readonly inclusionProof: readonly string[];
  /** The signed note. */
  readonly checkpoint: string;
}

export interface Receipt {
  readonly format: typeof RECEIPT_FORMAT;
  readonly notificationId: string;
  readonly keys: readonly string[];
  /** Those that announce keys: who has an older key finds the way to the one that signed. */
  readonly checkpoints: readonly string[];
  readonly entries: readonly ReceiptEntry[];
}

/** What proves, without us, that a notification's records are in the trail. */
export class Receipts {
  readonly #database: Database;
  readonly #keys: CheckpointKeys;
  readonly #everyMs: number;
  readonly #logger: Logger;

  /** @param everyMs in about how much time, milliseconds, what is not signed will be */
  constructor(database: Database, keys: CheckpointKeys, everyMs: number, logger: Logger) {
    this.#database = database;
    this.#keys = keys;
    this.#everyMs = everyMs;
    this.#logger = logger;
  }

  /**
   * Every record about the notification, each with its proof.
   * @param tenant whose records may be shown; undefined for everybody's
   * @throws BongsuError not_found, not_yet_signed (with Retry-After), body_too_large
   */
  async of(notificationId: string, tenant: string | undefined): Promise<Receipt> {
    const filter = { subject: notificationId, tenant, limit: MAX_RECORDS };
    const { records, more } = await searchRecords(this.#database, filter);
    if (records.length === 0) throw new BongsuError('not_found', 'No record is about such a notification');
    if (more)
      throw new BongsuError('body_too_large', 'The notification has too many records for a receipt; take an export');
    const newest = new Map<string, CheckpointRow | undefined>();
    const entries: ReceiptEntry[] = [];
    for (const record of records.toReversed()) {
      const chain = chainName(record.topic, record.partition);
      if (!newest.has(chain)) newest.set(chain, await this.#newest(record));
      entries.push(await this.#entry(record, newest.get(chain)));
    }
    const announcements = await this.#database.query<{ note: string }>(ANNOUNCEMENTS);
    return {
      format: RECEIPT_FORMAT,
      notificationId,
      keys: await verifierKeys(this.#database, this.#keys),
      checkpoints: announcements.map(({ note }) => note),
      entries,
    };
  }

  async #newest({ topic, partition }: StoredRecord): Promise<CheckpointRow | undefined> {
    const [row] = await this.#database.query<CheckpointRow>(NEWEST, [topic, partition]);
    return row;
  }

  async #entry(record: StoredRecord, checkpoint: CheckpointRow | undefined): Promise<ReceiptEntry> {
    const { topic, partition, hash } = record;
    const sequence = Number(record.sequence);
    if (!checkpoint || Number(checkpoint.size) < sequence) throw this.#notYet();
    const index = sequence - 1;
    const size = Number(checkpoint.size);
    const query = this.#database.query.bind(this.#database);
    const proof = await inclusionProof(index, size, storedNodes({ query, topic, partition }));
    const root = CompactRange.parse(checkpoint.peaks).root();
    if (!verifyInclusion({ leaf: hashLeaf(hash), index, size, proof, root })) throw this.#broken(record);
    const [before] =
      sequence === 1 ? [{ hash: GENESIS }] : await query<{ hash: Buffer }>(HASHES, [topic, partition, index, index]);
    if (!before) throw this.#broken(record);
    return {
      ...exportLine(record),
      previousHash: before.hash.toString('hex'),
      inclusionProof: proof.map((each) => each.toString('base64')),
      checkpoint: checkpoint.note,
    };
  }

  #notYet(): HttpProblem {
    const [detail, seconds] = this.#keys.current
      ? ['Records of the notification are not under a signed checkpoint yet', Math.ceil(this.#everyMs / 1000) + 1]
      : ['Checkpoints are not signed here: the service has no AUDIT_SIGNING_KEY', 3600];
    return new HttpProblem('not_yet_signed', detail, { headers: { 'retry-after': String(seconds) } });
  }

  /** Nobody is to be given a receipt that does not hold; that it does not is for the operator to know. */
  #broken({ topic, partition, sequence }: StoredRecord): BongsuError {
    const chain = chainName(topic, partition);
    verifyFailures.inc();
    this.#logger.error(
      { chain, sequence: Number(sequence) },
      'No proof leads from the record to the signed root: the store was changed',
    );
    return new BongsuError(
      'internal_error',
      'A record of the notification does not lead to the signed root: the store was changed',
    );
  }
}
