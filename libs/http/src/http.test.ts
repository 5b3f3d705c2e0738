import { connect } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createLogger, registry } from '@bongsu/observability';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttpApplication, MAX_BODY_BYTES } from './application.js';
import type { ProblemBody } from './problems/problem.js';
import { directory, EXPIRED, READER, Thing, ThingsModule, WRITER } from './testing/things.js';

const lines: string[] = [];
const options = {
  logger: createLogger('test', 'trace', { write: (line: string) => void lines.push(line) }),
  description: { title: 'Things', description: 'for the test', version: '1' },
  requestTimeoutMs: 400,
};
let app: NestFastifyApplication;
let base: string;
let port: number;
beforeAll(async () => {
  app = await createHttpApplication(ThingsModule, options);
  await app.listen(0, '127.0.0.1');
  port = Number(new URL(await app.getUrl()).port);
  base = `http://127.0.0.1:${port}`;
});
afterAll(() => app.close());

const as = (key: string, more: Record<string, string> = {}) => ({ authorization: `Bearer ${key}`, ...more });
const json = (key: string, more: Record<string, string> = {}) =>
  as(key, { 'content-type': 'application/json', ...more });
const post = (body: BodyInit | undefined, headers = json(WRITER)) =>
  fetch(`${base}/v1/things`, { method: 'POST', headers, ...(body === undefined ? {} : { body }) });

async function problem(answer: Response): Promise<ProblemBody> {
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  const body = (await answer.json()) as ProblemBody;
  expect(body).toMatchObject({ status: answer.status, type: `urn:bongsu:problem:${body.code}` });
  expect(body.requestId).toBe(answer.headers.get('x-request-id'));
  return body;
}

/** Sends bytes as they are, and gives what comes back until the other side closes. */
function raw(...parts: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => parts.forEach((part) => socket.write(part)));
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('close', () => resolve(text)).on('error', reject);
  });
}

describe('bodies', () => {
  it('takes what its contract allows, also compressed', async () => {
    const body = JSON.stringify({ name: 'lamp' });
    expect((await post(body)).status).toBe(202);
    expect((await post(gzipSync(body), json(WRITER, { 'content-encoding': 'gzip' }))).status).toBe(202);
    expect((await post(brotliCompressSync(body), json(WRITER, { 'content-encoding': 'br' }))).status).toBe(202);
    expect((await post(body, json(WRITER, { 'content-type': 'application/json; charset=UTF-8' }))).status).toBe(202);
    expect((await post(`\uFEFF${body}`)).status).toBe(202);
  });

  it.each([
    ['nothing', '', 400, 'malformed_json'],
    ['half an object', '{"name":', 400, 'malformed_json'],
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'malformed_json'],
    ['an array', '[]', 422, 'validation_failed'],
    ['an unknown field', '{"name":"x","nme":"y"}', 422, 'validation_failed'],
    ['__proto__', '{"name":"x","__proto__":{"admin":true}}', 422, 'validation_failed'],
    ['NUL', '{"name":"\\u0000"}', 422, 'validation_failed'],
    ['a lone surrogate', '{"name":"\\ud800"}', 422, 'validation_failed'],
    ['1e400', '{"name":"x","size":1e400}', 422, 'validation_failed'],
    ['2^53 + 1', '{"name":"x","size":9007199254740993}', 422, 'validation_failed'],
    ['a number as a string', '{"name":"x","size":"1"}', 422, 'validation_failed'],
    ['nesting of 10,000', '['.repeat(10_000) + ']'.repeat(10_000), 422, 'validation_failed'],
    ['more than fits', JSON.stringify({ name: 'x'.repeat(MAX_BODY_BYTES) }), 413, 'body_too_large'],
  ])('refuses %s', async (_what, body, status, code) => {
    const answer = await post(body);
    expect([answer.status, (await problem(answer)).code]).toEqual([status, code]);
  });

  it('names the field that is wrong', async () => {
    const answer = await post('{"name":"x","a/b~":1}');
    expect((await problem(answer)).errors).toEqual([{ pointer: '/a~1b~0', detail: 'is not a known field' }]);
  });

  it('counts what a compressed or chunked body becomes, not what is announced', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000, 'x'));
    expect(bomb.length).toBeLessThan(MAX_BODY_BYTES);
    expect((await post(bomb, json(WRITER, { 'content-encoding': 'gzip' }))).status).toBe(413);
    const chunked = streamOf('x'.repeat(1000), 400);
    // `duplex` is required for a stream and missing in the types.
    const request = { method: 'POST', headers: json(WRITER), body: chunked, duplex: 'half' };
    const answer = await fetch(`${base}/v1/things`, request);
    expect(answer.status).toBe(413);
  });

  it.each([
    ['no type', { 'content-type': '' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['NDJSON where it is not declared', { 'content-type': 'application/x-ndjson' }],
    ['another charset', { 'content-type': 'application/json; charset=latin1' }],
    ['an unknown encoding', { 'content-encoding': 'zstd' }],
    ['two encodings', { 'content-encoding': 'gzip, gzip' }],
    ['an encoding named like a property', { 'content-encoding': 'constructor' }],
  ])('answers 415 to %s', async (_what, headers) => {
    const answer = await post(Buffer.from('{"name":"x"}'), json(WRITER, headers));
    expect([answer.status, (await problem(answer)).code]).toEqual([415, 'unsupported_media_type']);
  });

  it('answers 400 to a body that is not what its encoding says, or cut off', async () => {
    expect((await post('{"name":"x"}', json(WRITER, { 'content-encoding': 'gzip' }))).status).toBe(400);
    const cut = gzipSync('{"name":"x"}').subarray(0, 15);
    expect((await post(cut, json(WRITER, { 'content-encoding': 'gzip' }))).status).toBe(400);
  });
});

function streamOf(chunk: string, times: number): ReadableStream<Uint8Array> {
  let left = times;
  return new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(Buffer.from(chunk));
      else controller.close();
    },
  });
}

describe('connections', () => {
  const head = `POST /v1/things HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${WRITER}\r\ncontent-type: application/json\r\n`;
  it.each([
    ['a body that stops', `${head}content-length: 100\r\n\r\n{"name"`],
    ['a chunked body that stops', `${head}transfer-encoding: chunked\r\n\r\n5\r\n{"nam`],
    ['headers that stop', 'POST /v1/things HTTP/1.1\r\nhost: x\r\nx-slow'],
    ['a connection that says nothing', ''],
  ])('ends %s with 408', async (_what, bytes) => {
    const answer = await raw(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('"code":"request_timeout"');
  });

  it.each([
    ['something that is not HTTP', 'hello\r\n\r\n', 400],
    ['headers that are too large', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ['a length that lies', `${head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a bare line feed in a header', `GET /v1/things HTTP/1.1\r\nhost: x\r\nx: a\nb\r\n\r\n`, 400],
  ])('answers %s in our form', async (_what, bytes, status) => {
    const answer = await raw(bytes);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain('content-type: application/problem+json');
  });

  it('reads a refused body to its end, so that the answer is not lost in a reset', async () => {
    const big = 'x'.repeat(3_000_000);
    const answer = await raw(`${head}connection: close\r\ncontent-length: ${big.length}\r\n\r\n`, big);
    expect(answer).toContain('HTTP/1.1 413 ');
  });
});

describe('routes and keys', () => {
  const get = (path: string, headers: Record<string, string> = as(READER), method = 'GET') =>
    fetch(base + path, { method, headers });
  it.each([
    ['an unknown path', '/v1/nothing', 'GET', 404, 'not_found'],
    ['an unknown path without a key', '/nothing', 'GET', 404, 'not_found'],
    ['a path that is not a URL', '/v1/things/%zz', 'GET', 400, 'malformed_request'],
    ['an id that is too long', `/v1/things/${'x'.repeat(400)}`, 'GET', 404, 'not_found'],
    ['an unexpected error', '/v1/things/broken', 'GET', 500, 'internal_error'],
    ['a handler that names no scope', '/v1/things/open', 'GET', 403, 'forbidden'],
  ])('answers %s with a problem', async (_what, path, method, status, code) => {
    const answer = await get(path, as(READER), method);
    const body = await problem(answer);
    expect([answer.status, body.code]).toEqual([status, code]);
    expect(JSON.stringify(body)).not.toContain('hunter2');
  });

  it('answers a wrong method with 405 and what is allowed', async () => {
    const answer = await get('/v1/things/7', as(READER), 'DELETE');
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect((await get('/v1/things', as(READER), 'PUT')).headers.get('allow')).toBe('GET, HEAD, POST');
  });

  it.each([
    ['no key', undefined],
    ['a wrong key', `Bearer ${'z'.repeat(40)}`],
    ['an expired key', `Bearer ${EXPIRED}`],
    ['another scheme', `Basic ${READER}`],
    ['a key with a blank', `Bearer ${READER} x`],
  ])('answers 401 to %s', async (_what, authorization) => {
    const answer = await get('/v1/things', authorization === undefined ? {} : { authorization });
    expect([answer.status, (await problem(answer)).code]).toEqual([401, 'unauthenticated']);
    expect(answer.headers.get('www-authenticate')).toContain('Bearer');
  });

  it('answers 403 to a key without the scope, and serves one with it', async () => {
    expect((await get('/v1/things', as(WRITER))).status).toBe(403);
    const answer = await get('/v1/things');
    expect(await answer.json()).toEqual({ tenant: 'acme' });
  });

  it('does not call a key wrong before the keys have been read', async () => {
    directory.complete = false;
    const answer = await get('/v1/things', as('z'.repeat(40)));
    directory.complete = true;
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
  });

  it('limits the rate of a key when told to', async () => {
    const limited = await createHttpApplication(ThingsModule, { ...options, rateLimit: 2 });
    await limited.listen(0, '127.0.0.1');
    const url = `http://127.0.0.1:${new URL(await limited.getUrl()).port}/v1/things`;
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(await fetch(url, { headers: as(READER) }));
    await limited.close();
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers[2]!.headers.get('retry-after')).toBe('1');
    expect(answers[0]!.headers.get('ratelimit-remaining')).toBe('1');
  });

  it('measures by declared route and logs neither keys nor paths', async () => {
    await get('/v1/things/some-secret-id');
    const metrics = await registry.metrics();
    expect(metrics).toMatch(
      /http_request_duration_seconds_count\{method="GET",route="\/v1\/things\/:id",status="200"\} \d/,
    );
    expect(metrics).not.toContain('some-secret-id');
    const log = lines.join('');
    expect(log).toContain('"route":"/v1/things/:id"');
    for (const secret of ['some-secret-id', READER, WRITER]) expect(log).not.toContain(secret);
  });
});

describe('description', () => {
  it('is OpenAPI 3.1, with the contract as it is enforced', async () => {
    const document = (await (await fetch(`${base}/openapi.json`)).json()) as Record<string, never>;
    expect(document).toMatchObject({
      openapi: '3.1.0',
      components: {
        securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } },
        schemas: { Problem: { type: 'object' } },
      },
      paths: { '/v1/things': { post: { requestBody: { content: { 'application/json': { schema: Thing.schema } } } } } },
    });
  });

  it('has a page that loads nothing from elsewhere', async () => {
    const page = await fetch(`${base}/docs`);
    expect(page.status).toBe(200);
    const html = await page.text();
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    const scripts = [...html.matchAll(/<script[^>]* src="([^"]+)"/g)].map(([, src]) => src!);
    expect(scripts.length).toBeGreaterThan(1);
    for (const src of scripts) {
      const script = await fetch(new URL(src, `${base}/docs`));
      expect([script.status, (await script.text()).length > 100]).toEqual([200, true]);
    }
    expect(html).not.toMatch(/<script(?![^>]* src=)/);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
  });
});
