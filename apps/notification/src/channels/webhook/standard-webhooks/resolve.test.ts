import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hostResolver, type Resolve } from './resolve.js';

const [A, AAAA] = [1, 28];
const V4 = Buffer.from([192, 0, 2, 7]);
const V6 = Buffer.from('20010db8000000000000000000000007', 'hex');

/** A name server that knows these hosts: addresses by type, or silence about a type; everything else does not exist. */
const HOSTS: Record<string, Partial<Record<number, Buffer | 'silence'>>> = {
  'both.example.org': { [A]: V4, [AAAA]: V6 },
  'four.example.org': { [A]: V4 },
  'six.example.org': { [AAAA]: V6 },
  'half.example.org': { [A]: V4, [AAAA]: 'silence' },
  'silent.example.org': { [A]: 'silence', [AAAA]: 'silence' },
};
let server: Socket;
let resolve: Resolve;
let asked: string[] = [];

beforeEach(async () => {
  asked = [];
  server = createSocket('udp4', (query, { port, address }) => {
    const answer = answerTo(query);
    if (answer) server.send(answer, port, address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  resolve = hostResolver({ servers: [`127.0.0.1:${server.address().port}`], timeoutMs: 300 });
});
afterEach(() => server.close());

it.each([
  ['both.example.org', ['192.0.2.7', '2001:db8::7']],
  ['four.example.org', ['192.0.2.7']],
  ['six.example.org', ['2001:db8::7']],
])('finds %s', async (host, addresses) => {
  expect(await resolve(host)).toEqual(addresses);
});

it('does not wait for the other family when there is an answer', async () => {
  const started = performance.now();
  expect(await resolve('half.example.org')).toEqual(['192.0.2.7']);
  expect(performance.now() - started).toBeLessThan(300);
});

it('gives up on a name server that says nothing, and does not ask the system', async () => {
  await expect(resolve('silent.example.org')).rejects.toMatchObject({ code: 'ETIMEOUT' });
});

it('asks the system for what DNS does not know', async () => {
  // Invalid by RFC 6761, so that no resolver has it.
  await expect(resolve('nowhere.invalid')).rejects.toMatchObject({ syscall: 'getaddrinfo' });
  expect(asked).toContain('nowhere.invalid');
});

it.each(['localhost', 'LocalHost.', 'api.localhost'])('knows %s without asking', async (host) => {
  expect(await resolve(host)).toEqual(['127.0.0.1', '::1']);
  expect(asked).toEqual([]);
});

/** RFC 1035: the header, the question again, and one answer, or the code for "no such name". */
function answerTo(query: Buffer): Buffer | undefined {
  const labels: string[] = [];
  let at = 12;
  for (let size = query[at] ?? 0; size > 0; size = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + size));
    at += size + 1;
  }
  const host = labels.join('.').toLowerCase();
  asked.push(host);
  const type = query.readUInt16BE(at + 1);
  const data = HOSTS[host]?.[type];
  if (data === 'silence') return undefined;
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(HOSTS[host] ? 0x8180 : 0x8183, 2);
  header.writeUInt16BE(data ? 1 : 0, 6);
  header.fill(0, 8);
  const question = query.subarray(12, at + 5);
  if (!data) return Buffer.concat([header, question]);
  const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length]);
  return Buffer.concat([header, question, record, data]);
}
