import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeHeaders } from './encoding.js';
import { labelsOf, tenantFitsKey } from './labels.js';

const headers = (...pairs: [string, string | Buffer][]): Buffer =>
  encodeHeaders(pairs.map(([name, value]) => [name, Buffer.from(value as string)]));
const payload = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const none = { eventId: null, type: null, subject: null, tenant: null, recipient: null };

describe('labels of a record', () => {
  it('are read off the CloudEvents headers and the payload', () => {
    const given = headers(['ce_id', 'e1'], ['ce_type', 't.v1'], ['ce_subject', 'n1']);
    expect(labelsOf(given, payload({ tenant: 'acme', recipient: { id: 'user-1' } }))).toEqual({
      eventId: 'e1',
      type: 't.v1',
      subject: 'n1',
      tenant: 'acme',
      recipient: 'user-1',
    });
    expect(labelsOf(given, payload({ tenant: 'acme', recipientId: '봉수' })).recipient).toBe('봉수');
  });

  it('take the last header of a name, as the decoder of events does', () => {
    expect(labelsOf(headers(['ce_type', 'first'], ['ce_type', 'last']), null).type).toBe('last');
    expect(labelsOf(headers(['ce_type', 'first'], ['ce_type', Buffer.from([0xff])]), null).type).toBeNull();
  });

  it.each([
    ['no payload', null],
    ['an empty payload', Buffer.alloc(0)],
    ['not JSON', Buffer.from('{')],
    ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['not an object', payload(['tenant'])],
    ['other shapes', payload({ tenant: 7, recipient: 'user-1', recipientId: null })],
    ['text that PostgreSQL cannot hold', payload({ tenant: 'a\0b', recipient: { id: '\ud800' } })],
    ['text too long for an index', payload({ tenant: 'x'.repeat(257) })],
  ])('are null where there is %s', (_, given) => {
    expect(labelsOf(headers(['ce_other', 'x']), given)).toEqual(none);
  });

  it('never throw, whatever the bytes', () => {
    const bytes = uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
    assert(property(bytes, bytes, (a, b) => Object.keys(labelsOf(a, b)).length === 5));
  });

  it('let the key vouch for the tenant of an erased payload', () => {
    expect(tenantFitsKey('acme', Buffer.from('acme/user-1'))).toBe(true);
    expect(tenantFitsKey(null, null)).toBe(true);
    expect(tenantFitsKey('acm', Buffer.from('acme/user-1'))).toBe(false);
    expect(tenantFitsKey('acme', null)).toBe(false);
  });
});
