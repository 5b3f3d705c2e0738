import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import PostalMime from 'postal-mime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeliveryAttempt } from '../../provider.js';
import { eventually, testAttempt, within } from '../../testing/attempt.js';
import { selfSigned } from '../../testing/certificate.js';
import { SmtpPeer, type Refusal, type SmtpPeerOptions } from '../../testing/smtp-peer.js';
import { parseSender } from './mail.js';
import { SmtpProvider } from './provider.js';
import { parseSmtpUrl } from './server.js';

let peer: SmtpPeer;
let provider: SmtpProvider;

const sendTo = (url: string, from = 'Bongsu <bongsu@example.org>') =>
  new SmtpProvider({ server: parseSmtpUrl(url), from: parseSender(from), timeoutMs: 5000 });
const attempt = (changes: Partial<DeliveryAttempt> = {}) =>
  testAttempt({ channel: 'email', recipient: { id: 'kim', email: 'kim@example.org' }, ...changes });
const deliver = (changes?: Partial<DeliveryAttempt>, signal = within(4000)) =>
  provider.deliver(attempt(changes), signal);

const headersOf = (raw: string): string => raw.slice(0, raw.indexOf('\r\n\r\n'));

/** A server with these options, and a provider for it. */
async function listen(options: SmtpPeerOptions, url = (port: number) => `smtp://127.0.0.1:${port}`): Promise<void> {
  await provider.close();
  await peer.stop();
  peer = await SmtpPeer.start(options);
  provider = sendTo(url(peer.port));
}

beforeEach(async () => {
  peer = await SmtpPeer.start();
  provider = sendTo(peer.url);
});
afterEach(async () => {
  await provider.close();
  await peer.stop();
});

describe('a mail', () => {
  it('has text and HTML, and the headers of a machine that deserves no answer', async () => {
    const sent = attempt({
      content: {
        subject: 'Grüße aus Köln 👋',
        body: 'Zeile eins\nZeile zwei\n.\nEnde',
        html: '<p>Zeile <b>eins</b></p>',
      },
      tenant: 'acme-secret-tenant',
      category: 'billing-category',
      metadata: { hidden: 'metadata-value' },
    });
    expect(await provider.deliver(sent, within(4000))).toEqual({ kind: 'done' });
    const [mail] = peer.mails;
    expect(mail).toMatchObject({ from: 'bongsu@example.org', to: ['kim@example.org'] });
    const parsed = await PostalMime.parse(mail?.raw ?? '');
    expect(parsed).toMatchObject({
      subject: 'Grüße aus Köln 👋',
      from: { name: 'Bongsu', address: 'bongsu@example.org' },
      to: [{ address: 'kim@example.org' }],
      messageId: `<${sent.deliveryId}@example.org>`,
      html: expect.stringContaining('<b>eins</b>'),
    });
    expect(parsed.text?.trimEnd()).toBe('Zeile eins\nZeile zwei\n.\nEnde');
    expect(Math.abs(Date.parse(parsed.date ?? '') - Date.now())).toBeLessThan(60_000);
    expect(headersOf(mail?.raw ?? '')).toMatch(/^Auto-Submitted: auto-generated$/m);
    expect(mail?.raw).not.toMatch(/X-Mailer|acme-secret-tenant|billing-category|metadata-value/);
  });

  it('has the same Message-ID in every attempt', async () => {
    const sent = attempt();
    for (const number of [1, 2]) await provider.deliver({ ...sent, number }, within(4000));
    const ids = peer.mails.map(({ raw }) => /^Message-ID: .*$/im.exec(raw)?.[0]);
    expect(ids).toEqual([
      `Message-ID: <${sent.deliveryId}@example.org>`,
      `Message-ID: <${sent.deliveryId}@example.org>`,
    ]);
  });

  it.each([
    ['subject', { content: { subject: 'hi\r\nBcc: evil@example.org\r\n\r\nbody', body: 'b' } }],
    ['subject, encoded', { content: { subject: '=?utf-8?Q?hi=0D=0ABcc:_evil@example.org?=', body: 'b' } }],
    ['subject, bare line feed', { content: { subject: 'hi\nBcc: evil@example.org', body: 'b' } }],
    ['HTML', { content: { body: 'b', html: '</p>\r\n.\r\nMAIL FROM:<evil@example.org>\r\n' } }],
    ['body', { content: { body: 'b\r\n.\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<evil@example.org>\r\nDATA\r\n' } }],
    ['delivery id', { deliveryId: 'x@y>\r\nBcc: evil@example.org' }],
  ])('takes no header, recipient or command from its %s', async (_where, changes) => {
    expect(await deliver(changes)).toEqual({ kind: 'done' });
    expect(peer.mails.map(({ to }) => to)).toEqual([['kim@example.org']]);
    expect(headersOf(peer.mails[0]?.raw ?? '')).not.toMatch(/^Bcc:/im);
  });

  it('keeps a name with commas and quotes one name', async () => {
    await provider.close();
    provider = sendTo(peer.url, '"Kim, \\"J\\"; Bongsu" <bongsu@example.org>');
    expect(await deliver()).toEqual({ kind: 'done' });
    const { from } = await PostalMime.parse(peer.mails[0]?.raw ?? '');
    expect(from).toEqual({ name: 'Kim, "J"; Bongsu', address: 'bongsu@example.org' });
  });
});

describe('an address', () => {
  it.each([
    ['kim@bücher.example', 'kim@xn--bcher-kva.example'],
    ['kim@例え.テスト', 'kim@xn--r8jz45g.xn--zckzah'],
    ['kim@EXAMPLE.org', 'kim@example.org'],
    ["o'brien+news=42@example.org", "o'brien+news=42@example.org"],
  ])('%s is %s on the wire', async (email, wire) => {
    await listen({ smtpUtf8: false });
    expect(await deliver({ recipient: { id: 'kim', email } })).toEqual({ kind: 'done' });
    expect(peer.commands).toContain(`RCPT TO:<${wire}>\r\n`);
    expect(headersOf(peer.mails[0]?.raw ?? '')).toContain(`\r\nTo: ${wire}\r\n`);
  });

  it.each([
    'kim',
    'kim@',
    '@example.org',
    'a@example.org,b@example.org',
    'a@example.org, b@example.org',
    'kim@example.org>',
    'Kim <kim@example.org>',
    'kim@example.org\r\nRCPT TO:<evil@example.org>',
    'kim\0@example.org',
    'kim @example.org',
    'group:kim@example.org;',
    '"kim"@example.org',
    'kim@exa mple.org',
    'kim@[127.0.0.1]',
    'kim@example.org:25',
    'kim@-',
    `${'k'.repeat(65)}@example.org`,
    `kim@${'x'.repeat(254)}`,
  ])('%j is refused, and nothing is sent', async (email) => {
    expect(await deliver({ recipient: { id: 'kim', email } })).toMatchObject({
      kind: 'reject',
      code: 'address_invalid',
    });
    expect(peer.accepted).toBe(0);
  });

  it('that is missing is refused', async () => {
    expect(await deliver({ recipient: { id: 'kim' } })).toMatchObject({ kind: 'reject', code: 'address_missing' });
  });

  it('beyond ASCII goes to a server that offers SMTPUTF8', async () => {
    expect(await deliver({ recipient: { id: 'kim', email: '김@bücher.example' } })).toEqual({ kind: 'done' });
    expect(peer.commands).toMatch(/^MAIL FROM:<bongsu@example.org>.* SMTPUTF8/m);
    expect(peer.commands).toContain('RCPT TO:<김@bücher.example>\r\n');
  });

  it('beyond ASCII is refused for a server that does not, which is asked once', async () => {
    await listen({ smtpUtf8: false });
    for (let call = 0; call < 3; call++) {
      const outcome = await deliver({ recipient: { id: 'kim', email: '김@example.org' } });
      expect(outcome).toMatchObject({ kind: 'reject', code: 'smtputf8_not_offered' });
    }
    expect([peer.accepted, peer.mails.length]).toEqual([1, 0]);
  });

  it('beyond ASCII is tried again when the server cannot be asked', async () => {
    peer.refuse('greeting', [554, 'not today']);
    const outcome = await deliver({ recipient: { id: 'kim', email: '김@example.org' } });
    expect(outcome).toMatchObject({ kind: 'retry', code: 'smtp_554' });
    peer.refuse('greeting', 'silence');
    const silent = await deliver({ recipient: { id: 'kim', email: '김@example.org' } }, within(100));
    expect(silent).toMatchObject({ kind: 'retry', code: 'timeout' });
    await eventually(() => peer.connections === 0, 'no connection left');
  });
});

describe('a refusal', () => {
  it.each([
    ['rcpt', 550, 'reject'],
    ['rcpt', 551, 'reject'],
    ['rcpt', 552, 'reject'],
    ['rcpt', 553, 'reject'],
    ['rcpt', 554, 'reject'],
    ['rcpt', 450, 'retry'],
    ['rcpt', 451, 'retry'],
    ['rcpt', 452, 'retry'],
    ['rcpt', 421, 'retry'],
    ['rcpt', 503, 'retry'],
    ['rcpt', 530, 'retry'],
    ['data', 550, 'reject'],
    ['data', 554, 'reject'],
    ['data', 552, 'reject'],
    ['data', 451, 'retry'],
    ['data', 421, 'retry'],
    ['from', 550, 'retry'],
    ['from', 530, 'retry'],
    ['from', 552, 'retry'],
    ['from', 452, 'retry'],
    ['from', 421, 'retry'],
    ['greeting', 554, 'retry'],
    ['greeting', 421, 'retry'],
    ['greeting', 550, 'retry'],
  ] as const)('at %s with %i is a %s', async (step, code, kind) => {
    peer.refuse(step, [code, 'for a reason']);
    const outcome = await deliver();
    expect(outcome).toMatchObject({ kind, code: `smtp_${code}`, message: expect.stringContaining('for a reason') });
    peer.refuse(step);
    expect(await deliver()).toEqual({ kind: 'done' });
  });

  it.each(['greeting', 'from', 'rcpt', 'data'] as const)('by silence at %s is given up in time', async (step) => {
    peer.refuse(step, 'silence');
    expect(await deliver({}, within(150))).toMatchObject({ kind: 'retry', code: 'timeout' });
    await eventually(() => peer.connections === 0, 'no connection left');
    peer.refuse(step);
    expect(await deliver()).toEqual({ kind: 'done' });
  });

  it('of a mail that is larger than the server takes is final', async () => {
    await listen({ maxSize: 2000 });
    const outcome = await deliver({ content: { body: 'x'.repeat(10_000) } });
    expect(outcome).toMatchObject({ kind: 'reject', code: 'smtp_552' });
    expect(await deliver()).toEqual({ kind: 'done' });
  });
});

describe('a login', () => {
  const account = { user: 'mailer', pass: 'hunter2' };
  const as =
    (pass: string, query = '') =>
    (port: number) =>
      `smtp://mailer:${pass}@127.0.0.1:${port}${query}`;

  it('is used', async () => {
    await listen({ account }, as('hunter2'));
    expect(await deliver()).toEqual({ kind: 'done' });
    expect(peer.mails[0]?.user).toBe('mailer');
  });

  it.each([[535, 'hunter3 is wrong'], [454, 'later'], 'silence'] as const)(
    'that is refused (%s) is not the fault of the recipient',
    async (...refusal) => {
      await listen({ account }, as('hunter3'));
      peer.refuse('auth', (refusal.length === 1 ? 'silence' : refusal) as Refusal);
      const outcome = await deliver({}, within(refusal.length === 1 ? 150 : 4000));
      expect(outcome).toMatchObject({ kind: 'retry', code: refusal.length === 1 ? 'timeout' : 'smtp_auth_failed' });
      expect(JSON.stringify(outcome)).not.toContain('hunter3');
    },
  );

  it('is not sent over a connection that must be encrypted and is not', async () => {
    await listen({ account }, as('hunter2', '?requireTLS=true'));
    expect(await deliver()).toMatchObject({ kind: 'retry', code: 'tls_failed' });
    expect(peer.mails).toEqual([]);
  });
});

describe('TLS', () => {
  const certificate = selfSigned('mail.example.org');

  it('by STARTTLS refuses a certificate that nobody vouches for', async () => {
    await listen({ certificate });
    expect(await deliver()).toMatchObject({ kind: 'retry', code: 'tls_failed' });
    expect(peer.mails).toEqual([]);
  });
  it.each(['?tls.rejectUnauthorized=false', '?ignoreTLS=true'])('by STARTTLS goes by %s', async (query) => {
    await listen({ certificate }, (port) => `smtp://127.0.0.1:${port}${query}`);
    expect(await deliver()).toEqual({ kind: 'done' });
    expect(peer.mails[0]?.secure).toBe(query.startsWith('?tls'));
  });
  it('from the first byte (smtps) does likewise', async () => {
    await listen({ certificate, secure: true }, (port) => `smtps://127.0.0.1:${port}`);
    expect(await deliver()).toMatchObject({ kind: 'retry', code: 'tls_failed' });
    await provider.close();
    provider = sendTo(`smtps://127.0.0.1:${peer.port}?tls.rejectUnauthorized=false`);
    expect(await deliver()).toEqual({ kind: 'done' });
    expect(peer.mails[0]?.secure).toBe(true);
  });
  it('towards a server that has none is a failure', async () => {
    await provider.close();
    provider = sendTo(`smtps://127.0.0.1:${peer.port}`);
    expect(await deliver()).toMatchObject({ kind: 'retry', code: 'tls_failed' });
  });
});

describe('connections', () => {
  it('are used again', async () => {
    for (let call = 0; call < 20; call++) expect(await deliver()).toEqual({ kind: 'done' });
    expect(peer.accepted).toBeLessThanOrEqual(3);
  });

  it('that the server closed between two mails cost neither a mail nor an attempt', async () => {
    await Promise.all(Array.from({ length: 10 }, () => deliver()));
    peer.cutAll();
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => deliver()));
    expect(outcomes).toEqual(outcomes.map(() => ({ kind: 'done' })));
    expect(peer.mails).toHaveLength(20);
  });

  it('are no more than the URL says, and a call given up leaves its place to the next', async () => {
    await listen({}, (port) => `smtp://127.0.0.1:${port}?maxConnections=2`);
    expect(provider.concurrency).toBe(2);
    await Promise.all(Array.from({ length: 20 }, () => deliver()));
    expect(peer.accepted).toBe(2);
    for (let round = 0; round < 5; round++) {
      peer.refuse('data', 'silence');
      await Promise.all([deliver({}, within(50)), deliver({}, within(50)), deliver({}, within(50))]);
      peer.refuse('data');
      expect(await deliver()).toEqual({ kind: 'done' });
    }
    expect(peer.connections).toBeLessThanOrEqual(2);
  });
});

it('a server that keeps its side of a connection open does not keep ours', async () => {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('error', () => undefined));
    socket.write('220 ready\r\n');
    socket.on('data', (chunk) => /^(EHLO|MAIL)/.test(chunk.toString()) && socket.write('250 fine\r\n'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const stubborn = sendTo(`smtp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  expect(await stubborn.deliver(attempt(), within(150))).toMatchObject({ kind: 'retry', code: 'timeout' });
  // Writing to a peer that has only ended its side works; to one that is gone, it fails.
  await eventually(
    () => sockets.every((socket) => socket.destroyed || !socket.write('250 ?\r\n')),
    'both sides closed',
  );
  expect(sockets).toHaveLength(1);
  server.close();
});

describe('a server that is none', () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  it.each([
    ['HTTP', (socket: Socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'), 'protocol_error'],
    ['noise', (socket: Socket) => socket.write('\0\u0001\u0002\r\n'), 'protocol_error'],
    [
      'a greeting without an end',
      (socket: Socket) => socket.write('220-'.repeat(500_000)),
      /^(protocol_error|timeout)$/,
    ],
    ['hanging up', (socket: Socket) => socket.end(), 'connection_closed'],
    ['a reset', (socket: Socket) => socket.resetAndDestroy(), /^connection_(reset|closed)$/],
    ['silence', () => undefined, 'timeout'],
  ])('by %s is tried again later', async (_what, greet, code) => {
    const server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      greet(socket);
    });
    servers.push(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    await provider.close();
    provider = sendTo(`smtp://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const outcome = await deliver({}, within(1000));
    expect(outcome).toMatchObject({ kind: 'retry', code: expect.stringMatching(code) });
  });
});
