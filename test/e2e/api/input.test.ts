import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, logged, makeKey, System } from './api-system.js';
import { ACCEPTED, REFUSED } from './notifications-to-refuse.js';

let system: System;
let url: string;
let reader: string;
beforeAll(async () => {
  system = await System.start('input', ['api'], { REQUEST_TIMEOUT: '500ms' });
  url = system.service('api').url;
  reader = (await makeKey(url, { scopes: ['notifications:read'] })).key;
});
afterAll(() => system.stop());

const ID = '2b4f0d10-1111-4222-8333-123456789abc';
/** Every endpoint of this API that takes a key. */
const ENDPOINTS = [
  ['POST', '/v1/notifications'],
  ['POST', '/v1/notifications/batch'],
  ['POST', `/v1/notifications/${ID}/cancel`],
  ['POST', '/v1/dead-letters/redrive'],
  ['POST', '/v1/api-keys'],
  ['GET', '/v1/notifications'],
  ['GET', `/v1/notifications/${ID}`],
  ['GET', `/v1/notifications/${ID}/timeline`],
  ['GET', '/v1/dead-letters'],
  ['GET', '/v1/disabled-endpoints'],
  ['DELETE', '/v1/disabled-endpoints?channel=webhook&endpoint=https://a.example/'],
  ['GET', '/v1/api-keys'],
  ['DELETE', `/v1/api-keys/${ID}`],
] as const;
const WITH_BODY = ENDPOINTS.filter(([method, path]) => method === 'POST' && !path.endsWith('/cancel'));

const headers = (more: Record<string, string> = {}) => ({
  authorization: `Bearer ${API_KEY}`,
  'content-type': 'application/json',
  ...more,
});

/** The status and code of an answer, which must be problem+json and not blame us. */
async function refusal(path: string, init: RequestInit): Promise<[number, string]> {
  const answer = await fetch(url + path, init);
  const body = (await answer.json()) as { code: string; status: number; requestId: string };
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(body).toMatchObject({ status: answer.status, requestId: expect.any(String) as string });
  expect(answer.status).toBeLessThan(500);
  return [answer.status, body.code];
}
const post = (body: BodyInit, more?: Record<string, string>, path = '/v1/notifications') =>
  refusal(path, { method: 'POST', headers: headers(more), body });

/** Sends bytes as they are; gives what comes back until the connection closes. */
function raw(...parts: (string | Buffer)[]): Promise<string> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => parts.forEach((part) => socket.write(part)));
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('close', () => resolve(text)).on('error', reject);
  });
}

describe.each(WITH_BODY)('a body of %s %s', (_method, path) => {
  it.each<[string, BodyInit, Record<string, string>, number]>([
    ['nothing', '', {}, 400],
    ['half of JSON', '{"recipient":{"id":', {}, 400],
    ['invalid UTF-8', Buffer.from('{"name":"\xff"}', 'latin1'), {}, 400],
    ['NaN', '{"name":NaN}', {}, 400],
    ['null', 'null', {}, 422],
    ['an array', '[]', {}, 422],
    ['a string', '"x"', {}, 422],
    ['an unknown field', '{"nonsense":1}', {}, 422],
    ['__proto__', '{"__proto__":{"admin":true}}', {}, 422],
    ['nesting of 10,000', `${'[{"a":'.repeat(5_000)}1${'}]'.repeat(5_000)}`, {}, 422],
    ['256 KB and more', `"${'x'.repeat(256 * 1024)}"`, {}, 413],
    ['a gzip bomb', gzipSync(Buffer.alloc(20_000_000)), { 'content-encoding': 'gzip' }, 413],
    ['what is not gzip', '{}', { 'content-encoding': 'gzip' }, 400],
    ['an unknown encoding', '{}', { 'content-encoding': 'compress' }, 415],
    ['text', '{}', { 'content-type': 'text/plain' }, 415],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['another charset', '{}', { 'content-type': 'application/json; charset=utf-16' }, 415],
  ])('that is %s', async (_what, body, more, status) => {
    expect((await post(body, more, path))[0]).toBe(status);
  });

  it('that is chunked and too large, cut off, or slow', async () => {
    const head = `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${API_KEY}\r\ncontent-type: application/json\r\n`;
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const large = await raw(
      `${head}connection: close\r\ntransfer-encoding: chunked\r\n\r\n`,
      chunk.repeat(6),
      '0\r\n\r\n',
    );
    expect(large).toContain('HTTP/1.1 413 ');
    expect(await raw(`${head}content-length: 500\r\n\r\n{"recipient"`)).toContain('HTTP/1.1 408 ');
    expect(await raw(`${head}transfer-encoding: chunked\r\n\r\n5\r\n{"rec`)).toContain('HTTP/1.1 408 ');
    expect(await raw(`${head}x-slow: `)).toContain('HTTP/1.1 408 ');
  });
});

describe('a notification with', () => {
  it.each(REFUSED)('%s is 422 and says where', async (_what, body, pointer) => {
    const answer = await fetch(`${url}/v1/notifications`, {
      method: 'POST',
      headers: headers(),
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const problem = (await answer.json()) as { errors?: { pointer: string }[] };
    expect([answer.status, problem.errors?.[0]?.pointer]).toEqual([422, pointer]);
  });

  it.each(ACCEPTED)('%s is accepted', async (_what, body) => {
    const answer = await fetch(`${url}/v1/notifications`, {
      method: 'POST',
      headers: headers(),
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    expect(answer.status).toBe(202);
  });
});

describe('parameters', () => {
  const cursor = (...parts: unknown[]) => `cursor=${Buffer.from(JSON.stringify(parts)).toString('base64url')}`;
  it.each([
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=1.5',
    'limit=1e2',
    'limit=',
    'limit=10&limit=20',
    'status=lost',
    'channel=pigeon',
    'recipient=',
    `recipient=${'x'.repeat(257)}`,
    'recipient=%00',
    'recipient=a%0d%0ab',
    'from=yesterday',
    'from=2026-13-01T00:00:00Z',
    'to=99999-01-01T00:00:00Z',
    'unknown=1',
    '__proto__=1',
    'cursor=',
    'cursor=x',
    'cursor=%F0%9F%94%A5',
    `cursor=${'x'.repeat(5_000)}`,
    cursor(),
    cursor('2026-01-01T00:00:00.000Z'),
    cursor('2026-13-45T00:00:00.000Z', ID),
    cursor('2026-01-01T00:00:00.000Z', "' OR 1=1 --"),
    cursor({ $gt: '' }, ID),
    cursor('2026-01-01T00:00:00.000Z', ID, 'more'),
  ])('GET /v1/notifications?%s is 400', async (query) => {
    expect(await refusal(`/v1/notifications?${query}`, { headers: headers() })).toEqual([400, 'invalid_parameter']);
  });

  it.each(['limit=0', 'cursor=x', 'unknown=1', cursor('2026-01-01T00:00:00.000Z', '1')])(
    'a timeline with %s is 400',
    async (query) => {
      expect(await refusal(`/v1/notifications/${ID}/timeline?${query}`, { headers: headers() })).toEqual([
        400,
        'invalid_parameter',
      ]);
    },
  );

  it.each(['..%2f..%2fetc%2fpasswd', '%00', 'x'.repeat(3_000), '%F0%9F%94%A5', ' ', ID.toUpperCase(), `${ID}0`])(
    'the id %j is 404',
    async (id) => {
      expect((await refusal(`/v1/notifications/${encodeURI(decodeURI(id))}`, { headers: headers() }))[0]).toBe(404);
    },
  );

  it('a path that cannot be decoded is 400', async () => {
    expect(await refusal('/v1/notifications/%zz', { headers: headers() })).toEqual([400, 'malformed_request']);
  });
});

describe.each(ENDPOINTS)('%s %s', (method, path) => {
  const body = method === 'POST' ? { body: '{}' } : {};
  it.each([
    ['no key', {}],
    ['a wrong key', { authorization: `Bearer ${'z'.repeat(43)}` }],
    ['a key of another scheme', { authorization: `Basic ${API_KEY}` }],
    ['half a key', { authorization: `Bearer ${API_KEY.slice(0, 20)}` }],
    ['a key of 10,000 characters', { authorization: `Bearer ${'z'.repeat(10_000)}` }],
  ])('is 401 with %s', async (_what, more) => {
    const init = { method, headers: { 'content-type': 'application/json', ...more }, ...body };
    expect(await refusal(path, init)).toEqual([401, 'unauthenticated']);
  });

  it('is 405, with Allow, for a method that it has not', async () => {
    const answer = await fetch(url + path, { method: 'PATCH', headers: headers() });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, expect.stringContaining(method)]);
  });
});

describe.each(ENDPOINTS.filter(([method, path]) => method !== 'GET' || path.includes('api-keys')))(
  '%s %s',
  (method, path) => {
    it('is 403 with a key that may only read notifications', async () => {
      const body = method === 'POST' ? { body: '{}' } : {};
      const init = { method, headers: headers({ authorization: `Bearer ${reader}` }), ...body };
      expect(await refusal(path, init)).toEqual([403, 'forbidden']);
    });
  },
);

describe('HTTP itself', () => {
  it.each([
    ['what is not HTTP', '\x16\x03\x01\x02\x00', 400],
    ['an unknown method', 'BREW /v1/notifications HTTP/1.1\r\nhost: x\r\n\r\n', 400],
    ['headers of 20 KB', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    [
      'two lengths',
      'POST /v1/notifications HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      400,
    ],
    [
      'a length and chunks',
      'POST /v1/notifications HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
  ])('%s', async (_what, bytes, status) => {
    expect(await raw(bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*application/problem\\+json[^]*"code":`));
  });

  it('an unknown route is 404', async () => {
    for (const path of ['/', '/v1', '/v2/notifications', '/v1/notifications/x/y/z', '/.env']) {
      expect(await refusal(path, { headers: headers() })).toEqual([404, 'not_found']);
    }
  });

  it('and after all of this it is still well, and has told no secret', async () => {
    const answer = await fetch(`${url}/v1/notifications`, {
      method: 'POST',
      headers: headers(),
      body: JSON.stringify(logged('u')),
    });
    expect(answer.status).toBe(202);
    const { log } = system.service('api');
    expect(log).not.toContain(API_KEY);
    expect(log).not.toContain(reader);
    expect(log).not.toMatch(/"level":"(error|fatal)"/);
  });
});
