import { logged } from './api-system.js';

const email = (more: object) => ({
  recipient: { id: 'u', email: 'u@example.org' },
  content: { subject: 's', body: 'b' },
  ...more,
});
const to = (recipient: object) => email({ recipient: { id: 'u', email: 'u@example.org', ...recipient } });
const content = (more: object) => email({ content: { subject: 's', body: 'b', ...more } });
const text = (json: string) => json;
const base = JSON.stringify(logged('u')).slice(0, -1);

/** What it is, the body (text when JSON.stringify would not write it so), and the pointer to what is wrong with it. */
export const REFUSED: [string, object | string, string][] = [
  ['no recipient', { channels: ['log'], content: { body: 'b' } }, '/recipient'],
  ['an empty recipient id', to({ id: '' }), '/recipient/id'],
  ['a recipient id of 257 characters', to({ id: 'x'.repeat(257) }), '/recipient/id'],
  ['NUL in an id', to({ id: 'a\0b' }), '/recipient/id'],
  ['CR LF in an id', to({ id: 'a\r\nb' }), '/recipient/id'],
  ['a number for an id', to({ id: 7 }), '/recipient/id'],
  ['a lone surrogate', text(`${base},"category":"\\ud800"}`), '/category'],
  ['1e400', text(`${base},"data":{"n":1e400}}`), '/data/n'],
  ['2^53 + 1', text(`${base},"data":{"n":9007199254740993}}`), '/data/n'],
  ['__proto__ deep inside', text(`${base},"data":{"a":[{"__proto__":{"x":1}}]}}`), '/data/a/0/__proto__'],
  ['a bad address', to({ email: 'a@b@c' }), '/recipient/email'],
  ['an address with CR LF', to({ email: 'a@example.org\r\nBcc: b@example.org' }), '/recipient/email'],
  ['a list of addresses', to({ email: 'a@example.org, b@example.org' }), '/recipient/email'],
  ['a bad phone number', to({ phone: '010-1234-5678' }), '/recipient/phone'],
  ['an unknown address', to({ fax: '1' }), '/recipient/fax'],
  ['CR LF in the subject', content({ subject: 'a\r\nBcc: b@example.org' }), '/content/subject'],
  ['a subject of 999 characters', content({ subject: 'x'.repeat(999) }), '/content/subject'],
  ['no body', email({ content: { subject: 's' } }), '/content/body'],
  ['no content', { recipient: { id: 'u' }, channels: ['log'] }, '/content'],
  ['a template that does not exist', email({ template: 'welcome' }), '/template'],
  ['code in a template name', email({ template: '{{constructor}}' }), '/template'],
  ['an unknown channel', email({ channels: ['pigeon'] }), '/channels/0'],
  ['a channel twice', email({ channels: ['log', 'log'] }), '/channels'],
  ['a channel without its address', email({ channels: ['webhook'] }), '/recipient/webhook'],
  ['an unknown priority', email({ priority: 'now' }), '/priority'],
  ['a number as a string', email({ metadata: { a: 1 } }), '/metadata/a'],
  [
    'too much metadata',
    email({ metadata: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [i, ''])) }),
    '/metadata',
  ],
  [
    'sendAt more than a year ahead',
    email({ sendAt: new Date(Date.now() + 367 * 86_400_000).toISOString() }),
    '/sendAt',
  ],
  ['sendAt in the year 9999', email({ sendAt: '9999-12-31T23:59:59Z' }), '/sendAt'],
  ['sendAt that no calendar has', email({ sendAt: '2026-02-30T00:00:00Z' }), '/sendAt'],
  ['sendAt without a zone', email({ sendAt: '2026-12-01T09:00:00' }), '/sendAt'],
  ['sendAt as a number', email({ sendAt: 1_800_000_000 }), '/sendAt'],
  ['expiresAt in the past', email({ expiresAt: '2020-01-01T00:00:00Z' }), '/expiresAt'],
  ['a locale that is none', email({ locale: '../../etc/passwd' }), '/locale'],
  ...[
    'ftp://example.org/',
    'javascript:alert(1)',
    'https://u:p@example.org/',
    'https://example.org:0/',
    'http://',
    '//x',
  ].map((webhook): [string, object, string] => [
    `the webhook ${webhook}`,
    { recipient: { id: 'u', webhook: { url: webhook } }, content: { body: 'b' } },
    '/recipient/webhook/url',
  ]),
];

/** Odd and all the same right. */
export const ACCEPTED: [string, object | string][] = [
  [
    'an internationalised address and right-to-left text',
    { recipient: { id: '‮مستخدم', email: 'x@例え.テスト' }, content: { subject: 'שלום', body: '‏مرحبا' } },
  ],
  [
    'HTML and template code in its text',
    content({ body: '<script>{{7*7}}</script>', html: '<b>{% include "x" %}</b>' }),
  ],
  ['sendAt in the past', email({ sendAt: '2020-01-01T00:00:00Z' })],
  ['a field given twice, of which the last counts', text(`{"priority":"nonsense",${base.slice(1)},"priority":"bulk"}`)],
  [
    'a webhook to a private address, which is judged when it is dialled',
    { recipient: { id: 'u', webhook: { url: 'http://127.0.0.1:8080/' } }, content: { body: 'b' } },
  ],
  ['nearly 256 KB', content({ body: 'x'.repeat(131_072), html: 'y'.repeat(120_000) })],
];
