import type { AddressInfo } from 'node:net';
import { createTransport } from 'nodemailer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mailbox } from './mailbox.ts';
import { smtpServer } from './smtp.ts';
import { webServer } from './web.ts';

interface List {
  total: number;
  unread: number;
  count: number;
  messages_count: number;
  start: number;
  messages: {
    ID: string;
    Subject: string;
    Read: boolean;
    Snippet: string;
    To: { Address: string }[];
    Bcc: { Address: string }[];
  }[];
}

const mail = {
  from: 'Bongsu <no-reply@example.org>',
  to: '"Kim, J" <kim@example.org>',
  subject: 'hello',
  text: 'good day',
};
let mailbox: Mailbox;
let close: () => Promise<void>;
let web: string;
let smtpPort: number;

beforeEach(async () => {
  mailbox = new Mailbox();
  const smtp = smtpServer(mailbox);
  const server = webServer(mailbox);
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  smtpPort = (smtp.server.address() as AddressInfo).port;
  web = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await new Promise<void>((resolve) => smtp.close(resolve));
  };
});
afterEach(() => close());

async function send(message: object, auth?: { user: string; pass: string }): Promise<string> {
  const transport = createTransport({ host: '127.0.0.1', port: smtpPort, ...(auth ? { auth } : {}) });
  const { messageId } = await transport.sendMail({ ...mail, ...message });
  transport.close();
  return messageId;
}
const json = async <T>(path: string): Promise<T> => (await (await fetch(web + path)).json()) as T;

const raw = (bytes: number): Parameters<Mailbox['add']>[0] => ({
  envelope: { from: '', to: [] },
  username: '',
  raw: Buffer.alloc(bytes),
});

describe('what is sent by SMTP', () => {
  it('is listed with the fields that Mailpit has, newest first', async () => {
    const messageId = await send({ subject: '첫 번째', bcc: 'quiet@example.org' });
    await send({ subject: 'second' });
    const list = await json<List>('/api/v1/messages');
    expect(list).toMatchObject({ total: 2, unread: 2, count: 2, messages_count: 2, start: 0 });
    expect(list.messages.map(({ Subject }) => Subject)).toEqual(['second', '첫 번째']);
    expect(list.messages[1]).toMatchObject({
      MessageID: messageId.slice(1, -1),
      From: { Name: 'Bongsu', Address: 'no-reply@example.org' },
      To: [{ Name: 'Kim, J', Address: 'kim@example.org' }],
      Bcc: [{ Name: '', Address: 'quiet@example.org' }],
      Snippet: 'good day',
      Read: false,
    });
  });

  it('is shown whole, with its headers and its source', async () => {
    await send({
      html: '<b>good day</b>',
      headers: { 'X-Delivery': 'abc' },
      attachments: [{ filename: 'a.txt', content: 'abc' }],
    });
    const details = await json<Record<string, unknown>>('/api/v1/message/latest');
    expect(details).toMatchObject({
      ReturnPath: 'no-reply@example.org',
      Attachments: [{ FileName: 'a.txt', Size: 3 }],
    });
    expect(details['Text']).toContain('good day');
    expect(details['HTML']).toContain('<b>good day</b>');
    expect((await json<Record<string, string[]>>('/api/v1/message/latest/headers'))['X-Delivery']).toEqual(['abc']);
    expect(await (await fetch(`${web}/api/v1/message/latest/raw`)).text()).toContain('X-Delivery: abc');
    expect((await json<List>('/api/v1/messages')).unread).toBe(0);
  });

  it('is taken with any login', async () => {
    await send({}, { user: 'someone', pass: 'whatever' });
    expect((await json<{ Username: string }>('/api/v1/message/latest')).Username).toBe('someone');
  });

  it('is refused for good when it is over 25 MB', { timeout: 30_000 }, async () => {
    await expect(send({ text: 'x'.repeat(26 << 20) })).rejects.toMatchObject({ responseCode: 552 });
    expect((await json<List>('/api/v1/messages')).total).toBe(0);
  });
});

describe('the API', () => {
  it('pages through the list', async () => {
    for (const subject of ['one', 'two', 'three']) await send({ subject });
    const list = await json<List>('/api/v1/messages?start=1&limit=1');
    expect(list).toMatchObject({ total: 3, count: 1, start: 1 });
    expect(list.messages[0]?.Subject).toBe('two');
  });

  it.each([
    ['to:lee@', ['for lee']],
    ['subject:"for lee"', ['for lee']],
    ['from:no-reply@example.org', ['for lee', 'for kim']],
    ['-to:lee@example.org', ['for kim']],
    ['needle', ['for kim']],
    ['needle to:lee', []],
  ])('finds by %s', async (query, subjects) => {
    await send({ subject: 'for kim', text: 'a Needle in it' });
    await send({ subject: 'for lee', to: 'lee@example.org' });
    const found = await json<List>(`/api/v1/search?query=${encodeURIComponent(query)}`);
    expect(found.messages.map(({ Subject }) => Subject)).toEqual(subjects);
    expect(found.messages_count).toBe(subjects.length);
  });

  it('finds by Message-ID, with its brackets or without', async () => {
    const messageId = await send({ subject: 'this' });
    await send({ subject: 'not this' });
    for (const id of [messageId, messageId.slice(1, -1)]) {
      const found = await json<List>(`/api/v1/search?query=${encodeURIComponent(`message-id:${id}`)}`);
      expect(found.messages.map(({ Subject }) => Subject)).toEqual(['this']);
    }
  });

  it('deletes some, then all', async () => {
    await send({ subject: 'one' });
    await send({ subject: 'two' });
    const newest = (await json<List>('/api/v1/messages')).messages[0];
    await fetch(`${web}/api/v1/messages`, { method: 'DELETE', body: JSON.stringify({ IDs: [newest?.ID] }) });
    expect((await json<List>('/api/v1/messages')).messages.map(({ Subject }) => Subject)).toEqual(['one']);
    await fetch(`${web}/api/v1/messages`, { method: 'DELETE' });
    expect((await json<List>('/api/v1/messages')).total).toBe(0);
  });

  it('shows the HTML of a mail where it can do nothing', async () => {
    await send({ html: '<script>alert(1)</script>' });
    const policy = (await fetch(`${web}/view/latest.html`)).headers.get('content-security-policy');
    expect(policy).toContain('sandbox');
    expect(policy).toContain("default-src 'none'");
  });

  it('says 404 for what is not there and 405 for what it does not do', async () => {
    expect((await fetch(`${web}/api/v1/message/nothing`)).status).toBe(404);
    expect((await fetch(`${web}/../../package.json`)).status).toBe(404);
    expect((await fetch(`${web}/api/v1/messages`, { method: 'POST' })).status).toBe(405);
  });
});

describe('the mailbox', () => {
  it('keeps the newest mails only', () => {
    const small = new Mailbox({ maxMails: 2, maxBytes: 1_000 });
    const ids = [raw(1), raw(1), raw(1)].map((mail) => small.add(mail).id);
    expect(small.all().map(({ id }) => id)).toEqual([ids[2], ids[1]]);
  });

  it('keeps as many bytes as allowed, and the newest mail whatever its size', () => {
    const small = new Mailbox({ maxMails: 10, maxBytes: 100 });
    small.add(raw(60));
    const second = small.add(raw(60));
    expect(small.all()).toEqual([second]);
    const large = small.add(raw(500));
    expect(small.all()).toEqual([large]);
  });
});
