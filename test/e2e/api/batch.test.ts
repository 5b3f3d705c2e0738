import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { TOPICS } from '@bongsu/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, call, logged, recordsOf, System } from './api-system.js';

let system: System;
let url: string;
beforeAll(async () => {
  system = await System.start('batch', ['api'], { REQUEST_TIMEOUT: '1s' });
  url = system.service('api').url;
});
afterAll(() => system.stop());

interface Result {
  id?: string;
  code?: string;
  status?: string;
  replayed?: true;
  errors?: { pointer: string }[];
}
const post = (notifications: unknown, headers: Record<string, string> = {}) =>
  call(url, 'post', '/v1/notifications/batch').set(headers).send({ notifications });
const results = (answer: { body: unknown }): Result[] => (answer.body as { results: Result[] }).results;
const kept = async (recipient: string) =>
  (await recordsOf(system, TOPICS.requests.normal))
    .map(({ value }) => JSON.parse(value!.toString()) as { id: string; recipient: { id: string } })
    .filter((each) => each.recipient.id === recipient)
    .map(({ id }) => id);

describe('a batch in JSON', () => {
  it('has one result per item, in order, each on its own', async () => {
    const answer = await post([
      logged('json'),
      { nonsense: true },
      logged('json'),
      null,
      logged('json', { channels: ['email'] }),
    ]);
    expect(answer.status).toBe(202);
    expect(results(answer)).toMatchObject([
      { status: 'accepted' },
      { code: 'validation_failed', errors: [{ pointer: expect.stringMatching(/^\//) as string }] },
      { status: 'accepted' },
      { code: 'validation_failed' },
      { code: 'validation_failed', errors: [{ pointer: '/recipient/email' }, { pointer: '/content/subject' }] },
    ]);
    expect(await kept('json')).toEqual(results(answer).flatMap(({ id }) => (id ? [id] : [])));
  });

  it('can be sent again as a whole', async () => {
    const items = [logged('again'), logged('again'), logged('again')];
    const first = await post(items, { 'Idempotency-Key': 'batch-1' }).expect(202);
    const second = await post(items, { 'Idempotency-Key': 'batch-1' }).expect(202);
    expect(results(second)).toEqual(results(first).map((each) => ({ ...each, replayed: true })));
    const changed = await post([logged('changed'), ...items.slice(1)], { 'Idempotency-Key': 'batch-1' }).expect(202);
    expect(results(changed)).toMatchObject([
      { code: 'idempotency_key_reused' },
      { replayed: true },
      { replayed: true },
    ]);
    expect(await kept('again')).toHaveLength(3);
  });

  it('takes up to 1000 items', async () => {
    const small = { recipient: { id: 'thousand' }, channels: ['log'], content: { body: 'b' } };
    const many = (length: number) => Array.from({ length }, () => small);
    const answer = await post(many(1_000)).expect(202);
    expect(new Set(results(answer).map(({ id }) => id)).size).toBe(1_000);
    await post(many(1_001)).expect(422);
  });
});

/** A request whose body is written piece by piece while its answer is read. */
class Stream {
  readonly #request: ClientRequest;
  readonly #answer: Promise<IncomingMessage>;
  text = '';
  ended: Promise<'end' | 'cut'>;

  constructor(headers: Record<string, string> = {}) {
    this.#request = httpRequest(`${url}/v1/notifications/batch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/x-ndjson', ...headers },
    });
    this.#request.on('error', () => undefined);
    this.#answer = once(this.#request, 'response').then(([answer]) => answer as IncomingMessage);
    this.ended = this.#answer.then(
      (answer) =>
        new Promise((resolve) => {
          answer.setEncoding('utf8').on('data', (chunk: string) => (this.text += chunk));
          answer.on('end', () => resolve('end')).on('error', () => resolve('cut'));
        }),
    );
  }
  write(data: string | Buffer): boolean {
    return this.#request.write(data);
  }
  drained(): Promise<unknown> {
    return once(this.#request, 'drain');
  }
  end(data = ''): void {
    this.#request.end(data);
  }
  destroy(): void {
    this.#request.destroy();
  }
  get status(): Promise<number | undefined> {
    return this.#answer.then(({ statusCode }) => statusCode);
  }
  get lines(): Result[] {
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Result);
  }
}
const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

describe('a stream in NDJSON', () => {
  it('is answered line by line, while it goes on', async () => {
    const stream = new Stream();
    for (let i = 1; i <= 3; i++) {
      stream.write(line(logged('talk')));
      await expect.poll(() => stream.lines.length, { timeout: 5_000 }).toBe(i);
    }
    stream.end();
    expect([await stream.status, await stream.ended]).toEqual([202, 'end']);
    expect(await kept('talk')).toEqual(stream.lines.map(({ id }) => id));
  });

  it('has one answer per line, whatever the line is', async () => {
    const stream = new Stream();
    const body = [
      line(logged('odd')),
      '\n',
      'not JSON\n',
      '{"recipient":\r\n',
      Buffer.from('"\xff"\n', 'latin1'),
      `"${'x'.repeat(300_000)}"\n`,
      `${'['.repeat(10_000)}\n`,
      line({ ...logged('odd'), category: '\ud800' }),
      line(logged('odd')).replace('\n', '\r\n'),
    ];
    for (const part of body) stream.write(part);
    stream.end(JSON.stringify(logged('odd')));
    expect(await stream.ended).toBe('end');
    expect(stream.lines.map(({ code, status }) => code ?? status)).toEqual([
      'accepted',
      'malformed_json',
      'malformed_json',
      'malformed_json',
      'malformed_json',
      'body_too_large',
      'malformed_json',
      'validation_failed',
      'accepted',
      'accepted',
    ]);
    expect(await kept('odd')).toHaveLength(3);
  });

  it('may be compressed, and is held to its key', async () => {
    const body = gzipSync(line(logged('zip')).repeat(100));
    const send = async () => {
      const stream = new Stream({ 'content-encoding': 'gzip', 'idempotency-key': 'zip' });
      stream.write(body);
      stream.end();
      await stream.ended;
      return stream.lines;
    };
    const first = await send();
    expect((await send()).map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect(new Set(first.map(({ id }) => id)).size).toBe(100);
    expect(await kept('zip')).toHaveLength(100);
  });

  it('of any length keeps the memory flat', async () => {
    const { pid } = system.service('api');
    const resident = async () =>
      Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
    const stream = new Stream();
    const lines = line(logged('flood', { priority: 'bulk', content: { body: 'x'.repeat(2_000) } })).repeat(50);
    const flood = async (times: number) => {
      for (let i = 0; i < times; i++) if (!stream.write(lines)) await stream.drained();
    };
    // First the heap grows to what the work needs.
    await flood(250);
    const before = await resident();
    await flood(350);
    stream.end();
    expect(await stream.ended).toBe('end');
    expect(stream.lines.filter(({ id }) => id)).toHaveLength(30_000);
    // 35 MB have passed in between.
    expect((await resident()) - before).toBeLessThan(40);
  });

  it('that stops in the middle of a line, or is cut, ends; what was answered stays accepted', async () => {
    const silent = new Stream();
    silent.write(line(logged('stop')) + '{"recipient"');
    expect(await silent.ended).toBe('end');
    expect(silent.lines.map(({ code, status }) => code ?? status)).toEqual(['accepted', 'request_timeout']);
    const cut = new Stream();
    cut.write(line(logged('stop')));
    await expect.poll(() => cut.lines.length, { timeout: 5_000 }).toBe(1);
    cut.destroy();
    await sleep(100);
    expect(await kept('stop')).toEqual([silent.lines[0]!.id, cut.lines[0]!.id]);
    expect(system.service('api').log).not.toMatch(/"level":"(error|fatal)"/);
  });

  it('does not hold up a shutdown', async () => {
    const service = system.service('api');
    const stream = new Stream();
    const writing = setInterval(() => stream.write(line(logged('shutdown'))), 5);
    await expect.poll(() => stream.lines.length, { timeout: 5_000 }).toBeGreaterThan(5);
    const started = Date.now();
    expect(await service.stop()).toBe(0);
    expect(Date.now() - started).toBeLessThan(8_000);
    clearInterval(writing);
    await stream.ended;
    const ids = new Set(await kept('shutdown'));
    expect(stream.lines.filter(({ id }) => id && !ids.has(id))).toEqual([]);
  });
});
