import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, within } from '../../testing/attempt.js';
import { selfSigned } from '../../testing/certificate.js';
import { SmtpPeer, type Refusal } from '../../testing/smtp-peer.js';
import { mailAttempt, smtpProvider, SmtpRig } from '../../testing/smtp-rig.js';

const rig = new SmtpRig();

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
    rig.peer.refuse(step, [code, 'for a reason']);
    const outcome = await rig.deliver();
    expect(outcome).toMatchObject({ kind, code: `smtp_${code}`, message: expect.stringContaining('for a reason') });
    rig.peer.refuse(step);
    expect(await rig.deliver()).toEqual({ kind: 'done' });
  });

  it.each(['greeting', 'from', 'rcpt', 'data'] as const)('by silence at %s is given up in time', async (step) => {
    rig.peer.refuse(step, 'silence');
    expect(await rig.deliver({}, within(150))).toMatchObject({ kind: 'retry', code: 'timeout' });
    await eventually(() => rig.peer.connections === 0, 'no connection left');
    rig.peer.refuse(step);
    expect(await rig.deliver()).toEqual({ kind: 'done' });
  });

  it.each(['greeting', 'from', 'rcpt', 'data'] as const)(
    'by hanging up at %s is one try, and another later',
    async (step) => {
      rig.peer.refuse(step, 'hang up');
      expect(await rig.deliver()).toMatchObject({
        kind: 'retry',
        code: expect.stringMatching(/^connection_(closed|reset)$/),
      });
      // What was cut off may have been taken: sending it again is for the dispatcher to decide. Without a greeting it was not.
      if (step !== 'greeting') expect(rig.peer.accepted).toBe(1);
      rig.peer.refuse(step);
      expect(await rig.deliver()).toEqual({ kind: 'done' });
    },
  );

  it('by hanging up in the middle of a mail is one try, over a kept connection too', async () => {
    expect(await rig.deliver()).toEqual({ kind: 'done' });
    rig.peer.cuttingMails = true;
    const outcome = await rig.deliver({ content: { body: 'a long line\n'.repeat(100_000) } });
    expect(outcome).toMatchObject({ kind: 'retry', code: expect.stringMatching(/^connection_(closed|reset)$/) });
    expect(rig.peer.commands.match(/^DATA/gm)).toHaveLength(2);
    rig.peer.cuttingMails = false;
    expect(await rig.deliver()).toEqual({ kind: 'done' });
  });

  it('of a mail that is larger than the server takes is final', async () => {
    await rig.listen({ maxSize: 2000 });
    const outcome = await rig.deliver({ content: { body: 'x'.repeat(10_000) } });
    expect(outcome).toMatchObject({ kind: 'reject', code: 'smtp_552' });
    expect(await rig.deliver()).toEqual({ kind: 'done' });
  });
});

describe('a login', () => {
  const account = { user: 'mailer', pass: 'hunter2' };
  const as =
    (pass: string, query = '') =>
    (port: number) =>
      `smtp://mailer:${pass}@127.0.0.1:${port}${query}`;

  it('is used', async () => {
    await rig.listen({ account }, as('hunter2'));
    expect(await rig.deliver()).toEqual({ kind: 'done' });
    expect(rig.peer.mails[0]?.user).toBe('mailer');
  });

  it.each([[535, 'hunter3 is wrong'], [454, 'later'], 'silence'] as const)(
    'that is refused (%s) is not the fault of the recipient',
    async (...refusal) => {
      await rig.listen({ account }, as('hunter3'));
      rig.peer.refuse('auth', (refusal.length === 1 ? 'silence' : refusal) as Refusal);
      const outcome = await rig.deliver({}, within(refusal.length === 1 ? 150 : 4000));
      expect(outcome).toMatchObject({ kind: 'retry', code: refusal.length === 1 ? 'timeout' : 'smtp_auth_failed' });
      expect(JSON.stringify(outcome)).not.toContain('hunter3');
    },
  );

  it('is not sent over a connection that must be encrypted and is not', async () => {
    await rig.listen({ account }, as('hunter2', '?requireTLS=true'));
    expect(await rig.deliver()).toMatchObject({ kind: 'retry', code: 'tls_failed' });
    expect(rig.peer.mails).toEqual([]);
  });
});

describe('TLS', () => {
  const certificate = selfSigned('mail.example.org');

  it('by STARTTLS refuses a certificate that nobody vouches for', async () => {
    await rig.listen({ certificate });
    expect(await rig.deliver()).toMatchObject({ kind: 'retry', code: 'tls_failed' });
    expect(rig.peer.mails).toEqual([]);
  });
  it.each(['?tls.rejectUnauthorized=false', '?ignoreTLS=true'])('by STARTTLS goes by %s', async (query) => {
    await rig.listen({ certificate }, (port) => `smtp://127.0.0.1:${port}${query}`);
    expect(await rig.deliver()).toEqual({ kind: 'done' });
    expect(rig.peer.mails[0]?.secure).toBe(query.startsWith('?tls'));
  });
  it('from the first byte (smtps) does likewise', async () => {
    await rig.listen({ certificate, secure: true }, (port) => `smtps://127.0.0.1:${port}`);
    expect(await rig.deliver()).toMatchObject({ kind: 'retry', code: 'tls_failed' });
    await rig.use(`smtps://127.0.0.1:${rig.peer.port}?tls.rejectUnauthorized=false`);
    expect(await rig.deliver()).toEqual({ kind: 'done' });
    expect(rig.peer.mails[0]?.secure).toBe(true);
  });
  it('towards a server that has none is a failure', async () => {
    await rig.use(`smtps://127.0.0.1:${rig.peer.port}`);
    expect(await rig.deliver()).toMatchObject({ kind: 'retry', code: 'tls_failed' });
  });
});

describe('connections', () => {
  it('are used again', async () => {
    for (let call = 0; call < 20; call++) expect(await rig.deliver()).toEqual({ kind: 'done' });
    expect(rig.peer.accepted).toBeLessThanOrEqual(3);
  });

  it('that the server closed between two mails cost neither a mail nor an attempt', async () => {
    await Promise.all(Array.from({ length: 10 }, () => rig.deliver()));
    rig.peer.cutAll();
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => rig.deliver()));
    expect(outcomes).toEqual(outcomes.map(() => ({ kind: 'done' })));
    expect(rig.peer.mails).toHaveLength(20);
  });

  it('come back after the server was away', async () => {
    expect(await rig.deliver()).toEqual({ kind: 'done' });
    const { port } = rig.peer;
    await rig.peer.stop();
    for (let call = 0; call < 3; call++) {
      expect(await rig.deliver()).toMatchObject({ kind: 'retry', code: 'connection_refused' });
    }
    rig.peer = await SmtpPeer.start({ port });
    expect(await rig.deliver()).toEqual({ kind: 'done' });
    expect(rig.peer.mails).toHaveLength(1);
  });

  it('are no more than the URL says, and a call given up leaves its place to the next', async () => {
    await rig.listen({}, (port) => `smtp://127.0.0.1:${port}?maxConnections=2`);
    expect(rig.provider.concurrency).toBe(2);
    await Promise.all(Array.from({ length: 20 }, () => rig.deliver()));
    expect(rig.peer.accepted).toBe(2);
    for (let round = 0; round < 5; round++) {
      rig.peer.refuse('data', 'silence');
      await Promise.all([rig.deliver({}, within(50)), rig.deliver({}, within(50)), rig.deliver({}, within(50))]);
      rig.peer.refuse('data');
      expect(await rig.deliver()).toEqual({ kind: 'done' });
    }
    expect(rig.peer.connections).toBeLessThanOrEqual(2);
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
  const stubborn = smtpProvider(`smtp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  expect(await stubborn.deliver(mailAttempt(), within(150))).toMatchObject({ kind: 'retry', code: 'timeout' });
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
    await rig.use(`smtp://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const outcome = await rig.deliver({}, within(1000));
    expect(outcome).toMatchObject({ kind: 'retry', code: expect.stringMatching(code) });
  });
});
