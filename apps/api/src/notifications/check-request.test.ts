import type { NotificationRequest } from '@bongsu/contracts';
import { HttpProblem } from '@bongsu/http';
import { describe, expect, it } from 'vitest';
import { checkRequest } from './check-request.js';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const at = (days: number): string => new Date(NOW + days * 86_400_000).toISOString();
const request = (more: Partial<NotificationRequest>): NotificationRequest => ({
  recipient: { id: 'user-1', email: 'user@example.org' },
  content: { subject: 'Hello', body: 'Hello' },
  ...more,
});

function pointers(more: Partial<NotificationRequest>): unknown[] {
  try {
    checkRequest(request(more), NOW);
    return [];
  } catch (error) {
    if (!(error instanceof HttpProblem)) throw error;
    return error.errors.map((each) => ('pointer' in each ? each.pointer : each.parameter));
  }
}

describe('checkRequest', () => {
  it('settles what was left open', () => {
    expect(checkRequest(request({}), NOW)).toMatchObject({ channels: ['email'], priority: 'normal' });
    const both = { recipient: { id: 'u', email: 'u@example.org', webhook: { url: 'https://example.org/' } } };
    expect(checkRequest(request(both), NOW).channels).toEqual(['email', 'webhook']);
    expect(checkRequest(request({ channels: ['log'] }), NOW).channels).toEqual(['log']);
  });

  it.each([
    ['no address', { recipient: { id: 'u' } }, ['/recipient']],
    ['a phone number, which no channel uses', { recipient: { id: 'u', phone: '+821012345678' } }, ['/recipient']],
    ['email without an address', { recipient: { id: 'u' }, channels: ['email' as const] }, ['/recipient/email']],
    ['webhook without an address', { channels: ['webhook' as const] }, ['/recipient/webhook']],
    ['email without a subject', { content: { body: 'x' } }, ['/content/subject']],
    ['email with a blank subject', { content: { subject: '  ', body: 'x' } }, ['/content/subject']],
    ['a template that does not exist', { template: 'welcome' }, ['/template']],
    ['sendAt beyond a year', { sendAt: at(366) }, ['/sendAt']],
    ['sendAt in a leap second', { sendAt: '2026-12-31T23:59:60Z' }, ['/sendAt']],
    ['sendAt in no time zone', { sendAt: '2027-01-01T00:00:00[Middle/Earth]' }, ['/sendAt']],
    ['sendAt beyond a year by its time zone', { sendAt: '2027-11-21T13:00:01[Europe/Berlin]' }, ['/sendAt']],
    ['expiresAt with a wrong offset', { expiresAt: '2027-01-01T00:00:00+02:00[Europe/Berlin]' }, ['/expiresAt']],
    [
      'expiresAt before sendAt by their time zones',
      { sendAt: '2027-01-01T00:30:00[Europe/London]', expiresAt: '2027-01-01T01:00:00[Europe/Berlin]' },
      ['/expiresAt'],
    ],
    ['expiresAt in the past', { expiresAt: at(-1) }, ['/expiresAt']],
    ['expiresAt now', { expiresAt: at(0) }, ['/expiresAt']],
    ['expiresAt before sendAt', { sendAt: at(2), expiresAt: at(1) }, ['/expiresAt']],
    [
      'several things',
      { sendAt: at(400), template: 'x', channels: ['webhook' as const] },
      ['/sendAt', '/template', '/recipient/webhook'],
    ],
  ])('refuses %s', (_what, more, expected) => expect(pointers(more)).toEqual(expected));

  it.each([{ sendAt: at(364) }, { sendAt: at(-1000) }, { sendAt: at(1), expiresAt: at(2) }])('accepts %j', (more) =>
    expect(pointers(more)).toEqual([]),
  );

  it('passes times on as moments', () => {
    const sendAt = '2027-11-21T13:00:00[Europe/Berlin]';
    const given = request({ sendAt, expiresAt: '2027-11-22T00:00:00+09:00' });
    expect(checkRequest(given, NOW)).toMatchObject({
      sendAt: '2027-11-21T12:00:00.000Z',
      expiresAt: '2027-11-21T15:00:00.000Z',
    });
    expect(given.sendAt).toBe(sendAt);
  });

  it('requires content or a template', () => {
    const { content: _without, ...bare } = request({});
    expect(() => checkRequest(bare, NOW)).toThrow('/content is required');
  });

  it.each([
    'https://user@example.org/',
    'https://user:secret@example.org/',
    'http://',
    'http://[::1',
    'https://example.org:0/',
    'https://example.org:25/',
    'https://example.org:99999/',
    'https://exa mple.org/',
  ])('refuses the webhook %s', (url) => {
    expect(pointers({ channels: ['webhook'], recipient: { id: 'u', webhook: { url } } })).toEqual([
      '/recipient/webhook/url',
    ]);
  });

  it.each(['https://example.org', 'http://example.org:8080/x?y=z', 'https://bücher.example/'])(
    'accepts the webhook %s',
    (url) => {
      expect(pointers({ channels: ['webhook'], recipient: { id: 'u', webhook: { url } } })).toEqual([]);
    },
  );
});
