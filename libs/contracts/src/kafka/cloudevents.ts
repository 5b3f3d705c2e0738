import { BongsuError } from '../errors.js';
import type { TopicDeclaration } from './topics.js';
import { readTraceContext, traceHeaders, type TraceContext } from './trace-context.js';

/** An event as the services know it; on the wire it is a CloudEvents 1.0 record in Kafka's binary content mode. */
export interface Event<T = unknown> {
  readonly id: string;
  /** Which service wrote it, as a URI reference: `/bongsu/api`. */
  readonly source: string;
  readonly type: string;
  /** The notification (or entity) that it is about. */
  readonly subject: string;
  /** RFC 3339. */
  readonly time: string;
  readonly data: T;
  /** The trace that it belongs to, if there is one: the headers `traceparent` and `tracestate`. */
  readonly trace?: TraceContext;
}

/** A record on its way to Kafka. */
export interface OutgoingRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Record<string, string>;
}

/** CloudEvents Kafka protocol binding 1.0.2, section 3.2 (binary content mode). */
export function encodeEvent(topic: TopicDeclaration, key: string, event: Event): OutgoingRecord {
  return {
    topic: topic.name,
    key,
    value: Buffer.from(JSON.stringify(event.data)),
    headers: {
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: event.id,
      ce_source: event.source,
      ce_type: event.type,
      ce_subject: event.subject,
      ce_time: event.time,
      ...(event.trace === undefined ? {} : traceHeaders(event.trace)),
    },
  };
}

/** A record as it came from Kafka, whatever it holds. */
export interface RawRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** Milliseconds since 1970, as written by the producer or the broker. */
  readonly timestamp: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: Buffer])[];
}

/** A record that was read: checked against its topic's declaration. */
export interface EventRecord<T = unknown> {
  readonly key: string;
  readonly event: Event<T>;
  readonly raw: RawRecord;
}

const MAX_ATTRIBUTE = 1024;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a record by its topic's declaration. Throws a BongsuError with one of the `record_*` codes for anything that is
 * not a well-formed event of a declared type with a valid shape; that record belongs in the dead-letter topic.
 */
export function decodeEvent(topic: TopicDeclaration, raw: RawRecord): EventRecord {
  if (!raw.key || raw.key.length === 0) throw new BongsuError('record_key_missing');
  if (!raw.value) throw new BongsuError('record_value_missing');
  const attributes = new Map<string, string>();
  for (const [name, value] of raw.headers) {
    if (value.length <= MAX_ATTRIBUTE && (name.startsWith('ce_') || name.startsWith('trace')))
      attributes.set(name, value.toString('utf8'));
  }
  const attribute = (name: string): string => {
    const value = attributes.get(name);
    if (!value) throw new BongsuError('record_headers_invalid', `Header ${name} is missing`);
    return value;
  };
  if (attribute('ce_specversion') !== '1.0')
    throw new BongsuError('record_headers_invalid', 'Header ce_specversion must be 1.0');
  const type = attribute('ce_type');
  const contract = topic.events.get(type);
  if (!contract) throw new BongsuError('record_type_unknown', `Type ${type.slice(0, 100)} is not one of ${topic.name}`);
  const time = attribute('ce_time');
  if (Number.isNaN(Date.parse(time))) throw new BongsuError('record_headers_invalid', 'Header ce_time is not a time');
  const data = parse(raw.value);
  const [violation] = contract.violations(data);
  if (violation) throw new BongsuError('record_shape_invalid', `${violation.pointer || '/'} ${violation.detail}`);
  const trace = readTraceContext(attributes.get('traceparent'), attributes.get('tracestate'));
  return {
    key: decodeUtf8(raw.key, 'record_headers_invalid'),
    event: {
      id: attribute('ce_id'),
      source: attribute('ce_source'),
      type,
      subject: attribute('ce_subject'),
      time,
      data,
      ...(trace === undefined ? {} : { trace }),
    },
    raw,
  };
}

function parse(value: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(value));
  } catch (cause) {
    throw new BongsuError('record_not_json', undefined, { cause });
  }
}

function decodeUtf8(bytes: Buffer, code: 'record_headers_invalid'): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new BongsuError(code, 'The key is not UTF-8', { cause });
  }
}
