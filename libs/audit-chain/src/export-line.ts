import type { Labels } from './labels.js';
import { chainName, HASH_BYTES, RECORD_KINDS, type RecordKind } from './record.js';
import type { StoredRecord } from './verify/chain-verifier.js';

/** A line of an export, as JSON.parse gives it (docs/audit-format.md). */
export interface ExportLine {
  readonly kind: RecordKind;
  readonly chain: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly timestampMs: string;
  readonly key: string | null;
  readonly headers: string;
  readonly payload: string | null;
  readonly salt: string | null;
  readonly erased: boolean;
  readonly payloadDigest: string;
  readonly hash: string;
  readonly eventId: string | null;
  readonly type: string | null;
  readonly notification: string | null;
  readonly tenant: string | null;
  readonly recipient: string | null;
}

/** A record with all that its hash is computed from: one line of the export. */
export function exportLine(record: StoredRecord): ExportLine {
  const { kind, topic, partition, epoch, eventId, type, subject, tenant, recipient } = record;
  return {
    kind,
    chain: chainName(topic, partition),
    topic,
    partition,
    offset: Number(record.offset),
    sequence: Number(record.sequence),
    epoch,
    timestampMs: String(record.timestampMs),
    key: base64(record.key),
    headers: record.headers.toString('base64'),
    payload: base64(record.payload),
    salt: base64(record.salt),
    erased: record.salt === null,
    payloadDigest: record.payloadDigest.toString('hex'),
    hash: record.hash.toString('hex'),
    eventId,
    type,
    notification: subject,
    tenant,
    recipient,
  };
}

/**
 * The record of a line. Checks that it is one, not that it is sound: its chain tells that.
 * @throws SyntaxError for text that is no line of an export, saying what is wrong
 */
export function parseExportLine(text: string): StoredRecord {
  const line = objectOf(text);
  const record = recordOf(line);
  if (line['chain'] !== chainName(record.topic, record.partition)) wrong('chain', '<topic>/<partition>');
  if (line['erased'] !== (record.salt === null)) wrong('erased', 'true where there is no salt, else false');
  return record;
}

/**
 * The checkpoints that come with an export's first line; none where there are none.
 * @throws SyntaxError for text that is no line of an export
 */
export function checkpointsOf(text: string): string[] {
  const { checkpoints = [] } = objectOf(text);
  if (!Array.isArray(checkpoints) || !checkpoints.every((each) => typeof each === 'string'))
    throw new SyntaxError('"checkpoints" must be a list of texts');
  return checkpoints;
}

function recordOf(line: Fields): StoredRecord {
  return {
    kind: kindOf(line),
    topic: textOf(line, 'topic'),
    partition: wholeNumber(line, 'partition', 0),
    sequence: BigInt(wholeNumber(line, 'sequence', 1)),
    offset: BigInt(wholeNumber(line, 'offset', -1)),
    epoch: wholeNumber(line, 'epoch', 0),
    timestampMs: integer64(line, 'timestampMs'),
    key: bytesOrNull(line, 'key'),
    headers: bytes(line, 'headers'),
    payload: bytesOrNull(line, 'payload'),
    salt: bytesOrNull(line, 'salt'),
    payloadDigest: digest(line, 'payloadDigest'),
    hash: digest(line, 'hash'),
    ...labels(line),
  };
}

type Fields = Readonly<Record<string, unknown>>;

const base64 = (field: Buffer | null): string | null => field?.toString('base64') ?? null;

function objectOf(text: string): Fields {
  const line = JSON.parse(text) as unknown;
  if (typeof line !== 'object' || line === null || Array.isArray(line)) throw new SyntaxError('The line is no object');
  return line as Fields;
}

function wrong(name: string, must: string): never {
  throw new SyntaxError(`"${name}" must be ${must}`);
}

const kindOf = ({ kind }: Fields): RecordKind =>
  RECORD_KINDS.find((each) => each === kind) ?? wrong('kind', 'record or gap');

function textOf(line: Fields, name: string): string {
  const value = line[name];
  return typeof value === 'string' ? value : wrong(name, 'a text');
}

const labelOf = (line: Fields, name: string): string | null => (line[name] === null ? null : textOf(line, name));

const labels = (line: Fields): Labels => ({
  eventId: labelOf(line, 'eventId'),
  type: labelOf(line, 'type'),
  subject: labelOf(line, 'notification'),
  tenant: labelOf(line, 'tenant'),
  recipient: labelOf(line, 'recipient'),
});

function wholeNumber(line: Fields, name: string, min: number): number {
  const value = line[name];
  return Number.isSafeInteger(value) && (value as number) >= min ? (value as number) : wrong(name, 'a whole number');
}

function integer64(line: Fields, name: string): bigint {
  const text = textOf(line, name);
  const value = /^-?(?:0|[1-9]\d{0,18})$/.test(text) ? BigInt(text) : undefined;
  return value !== undefined && BigInt.asIntN(64, value) === value ? value : wrong(name, 'a whole number of 64 bits');
}

function bytes(line: Fields, name: string): Buffer {
  const text = textOf(line, name);
  const decoded = Buffer.from(text, 'base64');
  // One text for one value: Buffer would also take what is not base64, and leave it out.
  return decoded.toString('base64') === text ? decoded : wrong(name, 'base64');
}

const bytesOrNull = (line: Fields, name: string): Buffer | null => (line[name] === null ? null : bytes(line, name));

function digest(line: Fields, name: string): Buffer {
  const decoded = Buffer.from(textOf(line, name), 'hex');
  return decoded.length === HASH_BYTES && decoded.toString('hex') === line[name]
    ? decoded
    : wrong(name, '32 bytes in lower-case hexadecimal');
}
