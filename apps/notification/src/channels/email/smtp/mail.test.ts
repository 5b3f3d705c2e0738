import PostalMime from 'postal-mime';
import { describe, expect, it } from 'vitest';
import { eventually, within } from '../../testing/attempt.js';
import { mailAttempt, SmtpRig } from '../../testing/smtp-rig.js';

const rig = new SmtpRig();
const headersOf = (raw: string): string => raw.slice(0, raw.indexOf('\r\n\r\n'));

describe('a mail', () => {
  it('has text and HTML, and the headers of a machine that deserves no answer', async () => {
    const sent = mailAttempt({
      content: {
        subject: 'Grüße aus Köln 👋',
        body: 'Zeile eins\nZeile zwei\n.\nEnde',
        html: '<p>Zeile <b>eins</b></p>',
      },
      tenant: 'acme-secret-tenant',
      category: 'billing-category',
      metadata: { hidden: 'metadata-value' },
    });
    expect(await rig.provider.deliver(sent, within(4000))).toEqual({ kind: 'done' });
    const [mail] = rig.peer.mails;
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
    const sent = mailAttempt();
    for (const number of [1, 2]) await rig.provider.deliver({ ...sent, number }, within(4000));
    const ids = rig.peer.mails.map(({ raw }) => /^Message-ID: .*$/im.exec(raw)?.[0]);
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
    ['recipient id', { recipient: { id: 'x\r\nBcc: evil@example.org', email: 'kim@example.org' } }],
    ['category', { category: 'x\r\nBcc: evil@example.org', metadata: { 'X\r\nBcc': 'evil@example.org' } }],
    ['delivery id', { deliveryId: 'x@y>\r\nBcc: evil@example.org' }],
  ])('takes no header, recipient or command from its %s', async (_where, changes) => {
    expect(await rig.deliver(changes)).toEqual({ kind: 'done' });
    expect(rig.peer.mails.map(({ to }) => to)).toEqual([['kim@example.org']]);
    expect(headersOf(rig.peer.mails[0]?.raw ?? '')).not.toMatch(/^Bcc:/im);
  });

  it('keeps a name with commas and quotes one name', async () => {
    await rig.use(rig.peer.url, '"Kim, \\"J\\"; Bongsu" <bongsu@example.org>');
    expect(await rig.deliver()).toEqual({ kind: 'done' });
    const { from } = await PostalMime.parse(rig.peer.mails[0]?.raw ?? '');
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
    await rig.listen({ smtpUtf8: false });
    expect(await rig.deliver({ recipient: { id: 'kim', email } })).toEqual({ kind: 'done' });
    expect(rig.peer.commands).toContain(`RCPT TO:<${wire}>\r\n`);
    expect(headersOf(rig.peer.mails[0]?.raw ?? '')).toContain(`\r\nTo: ${wire}\r\n`);
  });

  it.each([
    'kim',
    'kim@',
    '@example.org',
    'a@example.org,b@example.org',
    'a@example.org, b@example.org',
    'a,b@example.org',
    'a;b@example.org',
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
    expect(await rig.deliver({ recipient: { id: 'kim', email } })).toMatchObject({
      kind: 'reject',
      code: 'address_invalid',
    });
    expect(rig.peer.accepted).toBe(0);
  });

  it('that is missing is refused', async () => {
    expect(await rig.deliver({ recipient: { id: 'kim' } })).toMatchObject({ kind: 'reject', code: 'address_missing' });
  });

  it('beyond ASCII goes to a server that offers SMTPUTF8', async () => {
    expect(await rig.deliver({ recipient: { id: 'kim', email: '김@bücher.example' } })).toEqual({ kind: 'done' });
    expect(rig.peer.commands).toMatch(/^MAIL FROM:<bongsu@example.org>.* SMTPUTF8/m);
    expect(rig.peer.commands).toContain('RCPT TO:<김@bücher.example>\r\n');
  });

  it('beyond ASCII is refused for a server that does not, which is asked once', async () => {
    await rig.listen({ smtpUtf8: false });
    for (let call = 0; call < 3; call++) {
      const outcome = await rig.deliver({ recipient: { id: 'kim', email: '김@example.org' } });
      expect(outcome).toMatchObject({
        kind: 'reject',
        code: 'address_invalid',
        message: expect.stringContaining('SMTPUTF8'),
      });
    }
    expect([rig.peer.accepted, rig.peer.mails.length]).toEqual([1, 0]);
  });

  it('beyond ASCII is tried again when the server cannot be asked', async () => {
    rig.peer.refuse('greeting', [554, 'not today']);
    const outcome = await rig.deliver({ recipient: { id: 'kim', email: '김@example.org' } });
    expect(outcome).toMatchObject({ kind: 'retry', code: 'smtp_554' });
    rig.peer.refuse('greeting', 'silence');
    const silent = await rig.deliver({ recipient: { id: 'kim', email: '김@example.org' } }, within(100));
    expect(silent).toMatchObject({ kind: 'retry', code: 'timeout' });
    await eventually(() => rig.peer.connections === 0, 'no connection left');
  });
});
