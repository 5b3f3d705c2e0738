import { decodeHeaders } from './encoding.js';

/**
 * What a record says about itself, for finding it again: copies of what is in its headers and payload, in columns that
 * can be searched. They are not hashed, since they follow from what is; verifying derives them again and compares.
 */
export interface Labels {
  readonly eventId: string | null;
  readonly type: string | null;
  /** The id of the notification (or entity) that the record is about. */
  readonly subject: string | null;
  readonly tenant: string | null;
  readonly recipient: string | null;
}

/** The longest label; anything longer is no id of ours, and an index has room for no more than 2,700 bytes. */
const MAX_LABEL = 256;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads the labels off any record at all; what is not there, or cannot be kept as text, is null. Never throws. */
export function labelsOf(headers: Buffer, payload: Buffer | null): Labels {
  const attributes = attributesOf(headers);
  const data = objectOf(payload);
  const recipient = objectIn(data, 'recipient');
  return {
    eventId: label(attributes.get('ce_id')),
    type: label(attributes.get('ce_type')),
    subject: label(attributes.get('ce_subject')),
    tenant: label(data?.['tenant']),
    recipient: label(recipient?.['id'] ?? data?.['recipientId']),
  };
}

/** Whether a tenant can be that of a record whose payload was erased: its key then begins with it, or it has none. */
export const tenantFitsKey = (tenant: string | null, key: Buffer | null): boolean =>
  tenant === null || (key?.toString('utf8').startsWith(`${tenant}/`) ?? false);

/** Nothing else is decoded: verifying reads the headers of millions of records. */
const READ = new Set(['ce_id', 'ce_type', 'ce_subject']);

/** The last header of a name wins, as it does where events are decoded. */
function attributesOf(headers: Buffer): Map<string, string> {
  const attributes = new Map<string, string>();
  try {
    for (const [name, value] of decodeHeaders(headers)) {
      if (!READ.has(name)) continue;
      const text = value === null ? undefined : textOf(value);
      if (text === undefined) attributes.delete(name);
      else attributes.set(name, text);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // bytes that nobody encoded: only in a store that was tampered with
  }
  return attributes;
}

function textOf(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function objectOf(payload: Buffer | null): JsonObject | undefined {
  const text = payload?.[0] === 0x7b /* { */ ? textOf(payload) : undefined;
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    return undefined;
  }
}

function objectIn(data: JsonObject | undefined, name: string): JsonObject | undefined {
  const value = data?.[name];
  return typeof value === 'object' && value !== null ? (value as JsonObject) : undefined;
}

/** PostgreSQL's text holds neither NUL nor a lone surrogate: such a label would come back changed, or fail the insert. */
function label(value: unknown): string | null {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_LABEL) return null;
  return value.includes('\0') || !value.isWellFormed() ? null : value;
}
