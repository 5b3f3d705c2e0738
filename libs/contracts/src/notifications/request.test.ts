import { describe, expect, it } from 'vitest';
import { NotificationRequest } from './request.js';

const valid = {
  recipient: {
    id: '사용자-1',
    email: 'a@example.org',
    phone: '+821012345678',
    webhook: { url: 'https://example.org/hook' },
  },
  channels: ['email', 'webhook'],
  content: { subject: 'Hello', body: 'שלום', html: '<p>hi</p>' },
  priority: 'urgent',
  sendAt: '2026-12-01T09:00:00+09:00',
  orderingKey: 'order-42',
  category: 'billing',
  metadata: { invoice: '7' },
  data: { nested: [{ a: 1.5 }] },
};

describe('NotificationRequest', () => {
  it('accepts a whole one and does not change it', () => {
    const before = structuredClone(valid);
    expect(NotificationRequest.violations(valid)).toEqual([]);
    expect(valid).toEqual(before);
  });

  const wrong: [string, object, string][] = [
    ['a number as a string is not coerced', { metadata: { n: 1 } }, '/metadata/n'],
    ['an unknown field', { chanels: ['email'] }, '/chanels'],
    ['__proto__ as a field', JSON.parse('{"__proto__": {"x": 1}}') as object, '/__proto__'],
    ['an unknown channel', { channels: ['pigeon'] }, '/channels/0'],
    ['a channel twice', { channels: ['log', 'log'] }, '/channels'],
    ['no channel', { channels: [] }, '/channels'],
    ['a recipient id with a line break', { recipient: { id: 'a\r\nBcc: b' } }, '/recipient/id'],
    ['a recipient id of 257 characters', { recipient: { id: 'x'.repeat(257) } }, '/recipient/id'],
    ['an empty recipient id', { recipient: { id: '' } }, '/recipient/id'],
    ['a bad address', { recipient: { id: 'a', email: 'a@@b' } }, '/recipient/email'],
    ['a bad phone number', { recipient: { id: 'a', phone: '01012345678' } }, '/recipient/phone'],
    [
      'a webhook that is no URL of HTTP',
      { recipient: { id: 'a', webhook: { url: 'file:///etc/passwd' } } },
      '/recipient/webhook/url',
    ],
    ['CR LF in a subject', { content: { subject: 'a\r\nBcc: b', body: 'b' } }, '/content/subject'],
    ['an absurd date', { sendAt: '2026-02-30T00:00:00Z' }, '/sendAt'],
    ['a date without an offset', { sendAt: '2026-02-03T00:00:00' }, '/sendAt'],
    ['a NUL', { content: { body: 'a\0b' } }, '/content/body'],
    ['a lone surrogate, deep inside', { data: { a: [{ b: '\ud800' }] } }, '/data/a/0/b'],
    ['1e400', { data: { n: Infinity } }, '/data/n'],
    ['an integer beyond 2^53', { data: { n: 2 ** 53 } }, '/data/n'],
  ];
  it.each(wrong)('refuses %s and says where', (_what, change, pointer) => {
    const body = Object.assign(Object.create(null) as object, valid);
    for (const [key, value] of Object.entries(change)) {
      Object.defineProperty(body, key, { value, enumerable: true, configurable: true, writable: true });
    }
    expect(NotificationRequest.violations(body)[0]?.pointer).toBe(pointer);
    expect(NotificationRequest.accepts(body)).toBe(false);
  });

  it.each([
    [{ sendAt: '2026-12-01T09:00:00' }, /RFC 3339 time with its offset.*or a local time with its zone/],
    [{ recipient: { id: 'a', email: 'a@@b' } }, /must be an e-mail address/],
  ])('says in words what is wrong with %j', (change, words) => {
    const [violation] = NotificationRequest.violations({ ...valid, ...change });
    expect(violation?.detail).toMatch(words);
  });

  it('survives nesting of 10,000 levels', () => {
    const deep = JSON.parse('{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000)) as unknown;
    expect(NotificationRequest.violations({ ...valid, data: deep })[0]?.detail).toMatch(/nested deeper/);
  });
});
