import { BongsuError, type RawRecord } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import { readLine } from './line.js';

const REQUEST = { recipient: { id: 'user-1' }, channels: ['log'], content: { body: 'Hello' } };

const recordOf = (value: string | Buffer | null, tenants: readonly string[] = ['default']): RawRecord => ({
  topic: 'notification.imports.v1',
  partition: 0,
  offset: 7n,
  timestamp: 1_790_000_000_000n,
  key: null,
  value: typeof value === 'string' ? Buffer.from(value) : value,
  headers: tenants.map((tenant) => ['tenant', Buffer.from(tenant)] as const),
});

function codeOf(raw: RawRecord): string {
  try {
    return JSON.stringify(readLine(raw));
  } catch (error) {
    return error instanceof BongsuError ? error.code : String(error);
  }
}

describe('a line of the imports topic', () => {
  it('is a request of the tenant that its header names', () => {
    const line = readLine(recordOf(JSON.stringify({ ...REQUEST, idempotencyKey: 'order-42' }), ['acme']));
    expect(line).toEqual({ tenant: 'acme', request: REQUEST, idempotencyKey: 'order-42' });
  });

  it('has its own text as its key when it names none, whatever blanks are around it', () => {
    const keyOf = (text: string): string | undefined => readLine(recordOf(text))?.idempotencyKey;
    const text = JSON.stringify(REQUEST);
    expect(keyOf(text)).toMatch(/^line:[0-9a-f]{64}$/);
    expect(keyOf(`${text}\r\n`)).toBe(keyOf(text));
    expect(keyOf(text.replace('Hello', 'Hallo'))).not.toBe(keyOf(text));
  });

  it('may be blank', () => {
    expect(readLine(recordOf(' \r'))).toBeUndefined();
  });

  it.each([
    ['no value', recordOf(null), 'record_value_missing'],
    ['no JSON', recordOf('{"recipient":'), 'record_not_json'],
    ['no UTF-8', recordOf(Buffer.from([0x22, 0xff, 0x22])), 'record_not_json'],
    ['no object', recordOf('[1]'), 'validation_failed'],
    ['null', recordOf('null'), 'validation_failed'],
    ['a field that there is not', recordOf(JSON.stringify({ ...REQUEST, priorty: 'urgent' })), 'validation_failed'],
    ['a key with a blank', recordOf(JSON.stringify({ ...REQUEST, idempotencyKey: 'a b' })), 'validation_failed'],
    ['no tenant', recordOf(JSON.stringify(REQUEST), []), 'record_headers_invalid'],
    ['two tenants', recordOf(JSON.stringify(REQUEST), ['a', 'b']), 'record_headers_invalid'],
    ['a tenant with a line break', recordOf(JSON.stringify(REQUEST), ['a\nb']), 'record_headers_invalid'],
    ['more than HTTP takes', recordOf('x'.repeat(256 * 1024 + 1)), 'body_too_large'],
  ])('is refused with %s', (_what, raw, code) => {
    expect(codeOf(raw)).toBe(code);
  });
});
