import { chainName, decodeHeaders, type StoredRecord } from '@bongsu/audit-chain';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** What JavaScript's Date can hold, milliseconds; a producer may have written any 64 bits. */
const MAX_DATE_MS = 8_640_000_000_000_000n;

/** A record as people read it. What is not UTF-8 (or, of a payload, not JSON) is in a `…Base64` field instead. */
export function readable(record: StoredRecord): Record<string, unknown> {
  return {
    kind: record.kind,
    ...place(record),
    timestamp: isoTime(record.timestampMs),
    ...labels(record),
    ...readableBytes('key', record.key, (text) => text),
    headers: decodeHeaders(record.headers).map(readableHeader),
    erased: record.salt === null,
    ...readableBytes('payload', record.payload, (text) => JSON.parse(text) as unknown),
    payloadDigest: record.payloadDigest.toString('hex'),
    hash: record.hash.toString('hex'),
  };
}

const place = ({ topic, partition, sequence, offset, epoch }: StoredRecord): Record<string, unknown> => ({
  chain: chainName(topic, partition),
  topic,
  partition,
  offset: Number(offset),
  sequence: Number(sequence),
  epoch,
});

const labels = ({ eventId, type, subject, tenant, recipient }: StoredRecord): Record<string, unknown> => ({
  eventId,
  type,
  notification: subject,
  tenant,
  recipient,
});

const isoTime = (ms: bigint): string | null =>
  ms >= -MAX_DATE_MS && ms <= MAX_DATE_MS ? new Date(Number(ms)).toISOString() : null;

const readableHeader = ([name, value]: [string, Buffer | null]): Record<string, unknown> => ({
  name,
  ...readableBytes('value', value, (text) => text),
});

function readableBytes(name: string, bytes: Buffer | null, read: (text: string) => unknown): Record<string, unknown> {
  if (bytes === null) return { [name]: null };
  try {
    return { [name]: read(utf8.decode(bytes)) };
  } catch {
    return { [`${name}Base64`]: bytes.toString('base64') };
  }
}
