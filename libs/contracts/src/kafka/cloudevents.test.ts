import { describe, expect, it } from 'vitest';
import { BongsuError } from '../errors.js';
import { newNotificationId } from '../notifications/ids.js';
import { decodeEvent, encodeEvent, type RawRecord } from './cloudevents.js';
import { NOTIFICATION_REQUESTED, TOPICS } from './topics.js';

const topic = TOPICS.requests.normal;
const id = newNotificationId();
const data = {
  id,
  tenant: 'default',
  recipient: { id: 'user-1' },
  channels: ['log'],
  content: { body: 'hello' },
  priority: 'normal',
  acceptedAt: '2026-11-21T00:00:00.000Z',
  apiKeyId: 'bootstrap',
};
const event = {
  id,
  source: '/bongsu/api',
  type: NOTIFICATION_REQUESTED,
  subject: id,
  time: '2026-11-21T00:00:00.000Z',
  data,
};

function record(
  change: { key?: Buffer | null; value?: Buffer | null; headers?: Record<string, string | undefined> } = {},
): RawRecord {
  const outgoing = encodeEvent(topic, 'default/user-1', event);
  const headers = Object.entries({ ...outgoing.headers, ...change.headers }).filter(([, value]) => value !== undefined);
  return {
    topic: topic.name,
    partition: 0,
    offset: 0n,
    timestamp: 253_402_300_799_000n, // the year 9999
    key: change.key === undefined ? Buffer.from(outgoing.key) : change.key,
    value: change.value === undefined ? outgoing.value : change.value,
    headers: headers.map(([name, value]) => [name, Buffer.from(value ?? '')] as const),
  };
}

const codeOf = (raw: RawRecord): string => {
  try {
    decodeEvent(topic, raw);
    return 'read';
  } catch (error) {
    return error instanceof BongsuError ? error.code : String(error);
  }
};

describe('an event on the wire', () => {
  it('is read as it was written', () => {
    expect(decodeEvent(topic, record())).toMatchObject({ key: 'default/user-1', event });
  });

  it('carries the binary mode headers of CloudEvents 1.0', () => {
    expect(encodeEvent(topic, 'k', event).headers).toEqual({
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: id,
      ce_source: '/bongsu/api',
      ce_type: NOTIFICATION_REQUESTED,
      ce_subject: id,
      ce_time: event.time,
    });
  });

  it('may have fields that a newer producer added', () => {
    expect(codeOf(record({ value: Buffer.from(JSON.stringify({ ...data, invented: { later: true } })) }))).toBe('read');
  });

  it.each<[string, RawRecord, string]>([
    ['no key', record({ key: null }), 'record_key_missing'],
    ['an empty key', record({ key: Buffer.alloc(0) }), 'record_key_missing'],
    ['no value', record({ value: null }), 'record_value_missing'],
    ['a value that is not JSON', record({ value: Buffer.from('{"a":') }), 'record_not_json'],
    ['a value that is not UTF-8', record({ value: Buffer.from([0x22, 0xff, 0x22]) }), 'record_not_json'],
    ['JSON of the wrong shape', record({ value: Buffer.from('[]') }), 'record_shape_invalid'],
    [
      'a NUL inside',
      record({ value: Buffer.from(JSON.stringify({ ...data, tenant: 'a\0' })) }),
      'record_shape_invalid',
    ],
    ['an unknown type', record({ headers: { ce_type: 'bongsu.other.v1' } }), 'record_type_unknown'],
    ['a newer version', record({ headers: { ce_type: 'bongsu.notification.requested.v2' } }), 'record_type_unknown'],
    ['another specversion', record({ headers: { ce_specversion: '0.3' } }), 'record_headers_invalid'],
    ['no id', record({ headers: { ce_id: undefined } }), 'record_headers_invalid'],
    ['no headers at all', { ...record(), headers: [] }, 'record_headers_invalid'],
    ['a time that is none', record({ headers: { ce_time: 'yesterday' } }), 'record_headers_invalid'],
    ['a header of 1 MB', record({ headers: { ce_subject: 'x'.repeat(1_000_000) } }), 'record_headers_invalid'],
    ['a key that is not UTF-8', record({ key: Buffer.from([0xff, 0xfe]) }), 'record_headers_invalid'],
  ])('with %s is refused as %s', (_what, raw, code) => expect(codeOf(raw)).toBe(code));
});
