import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, testAttempt, within } from '../../testing/attempt.js';
import { selfSigned } from '../../testing/certificate.js';
import { HttpPeer, replies } from '../../testing/http-peer.js';
import { parseNetwork } from './address-guard.js';
import { StandardWebhooksProvider, type StandardWebhooksOptions } from './provider.js';

const secret = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
let peer: HttpPeer;
const opened: StandardWebhooksProvider[] = [];

beforeEach(async () => {
  peer = await HttpPeer.start();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((provider) => provider.close()));
  await peer.stop();
});

function webhooks(options: Partial<StandardWebhooksOptions> & { allow?: string[] } = {}): StandardWebhooksProvider {
  const allowedNetworks = (options.allow ?? []).map(parseNetwork);
  const provider = new StandardWebhooksProvider({ secretOf: () => secret, allowedNetworks, ...options });
  opened.push(provider);
  return provider;
}
const to = (url: string) => testAttempt({ channel: 'webhook', recipient: { id: 'kim', webhook: { url } } });
const blocked = { kind: 'reject', code: 'address_blocked' };

describe('nothing on this machine is reached', () => {
  it.each([
    'localhost',
    'LOCALHOST',
    'localhost.',
    'sub.localhost',
    '127.0.0.1',
    '127.0.0.1.',
    '127.1',
    '127.0.1',
    '0x7f.1',
    '0177.1',
    '2130706433',
    '017700000001',
    '0177.0.0.1',
    '0x7f000001',
    '0x7f.0.0.0x1',
    '0',
    '0.0.0.0',
    '①②⑦.⓪.⓪.①',
    '127。0。0。1',
    '%31%32%37.0.0.1',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[2002:a00:1::1]',
    '[2001::1]',
    '[fe80::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[ff02::1]',
    '[2001:db8::1]',
    '169.254.169.254',
    '0xa9fea9fe',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.0.1',
    '100.64.0.1',
    '192.0.2.1',
    '224.0.0.1',
    '255.255.255.255',
  ])('by http://%s or https://', async (host) => {
    const provider = webhooks();
    for (const protocol of ['http', 'https']) {
      expect(await provider.deliver(to(`${protocol}://${host}:${peer.port}/`), within(2000))).toMatchObject(blocked);
    }
    expect(peer.accepted).toBe(0);
  });

  it('by a name that leads there', async () => {
    const provider = webhooks({
      resolve: () => Promise.resolve(['127.0.0.1', '::1', '::ffff:127.0.0.1', 'fe80::1%lo']),
    });
    expect(await provider.deliver(to(`https://hooks.example.org:${peer.port}/`), within(2000))).toMatchObject(blocked);
    expect(peer.accepted).toBe(0);
  });

  it('by a redirect', async () => {
    const receiver = await HttpPeer.start(replies(302, { location: `http://127.0.0.2:${peer.port}/admin` }), undefined);
    const target = await HttpPeer.start(replies(204), undefined, { host: '127.0.0.2', port: peer.port });
    const outcome = await webhooks({ allow: ['127.0.0.0/8'] }).deliver(to(receiver.url), within(2000));
    expect(outcome).toMatchObject({ kind: 'reject', code: 'http_302' });
    expect([receiver.posts.length, target.accepted, peer.accepted]).toEqual([1, 0, 0]);
    await Promise.all([receiver.stop(), target.stop()]);
  });
});

describe('the address that was checked is the address that is dialled', () => {
  // 127.0.0.1 stands for the public address and 127.0.0.2 for the one behind it: something listens on both.
  const allow = ['127.0.0.1/32'];
  let hidden: HttpPeer;
  beforeEach(async () => {
    hidden = await HttpPeer.start(replies(204), undefined, { host: '127.0.0.2', port: peer.port });
  });
  afterEach(() => hidden.stop());

  it('when the name changes its mind after the check (DNS rebinding)', async () => {
    const answers = ['127.0.0.1'];
    let asked = 0;
    const provider = webhooks({ allow, resolve: () => Promise.resolve([answers[asked++] ?? '127.0.0.2']) });
    peer.answer = replies(204, { connection: 'close' });
    const attempt = to(`http://rebinding.example.org:${peer.port}/`);
    expect(await provider.deliver(attempt, within(2000))).toEqual({ kind: 'done' });
    expect([asked, peer.posts.length]).toEqual([1, 1]);
    // The next connection asks again, and is refused.
    expect(await provider.deliver(attempt, within(2000))).toMatchObject(blocked);
    expect([asked, hidden.accepted]).toEqual([2, 0]);
  });

  it('when only one of its addresses may be dialled', async () => {
    const provider = webhooks({ allow, resolve: () => Promise.resolve(['127.0.0.2', '127.0.0.1', '::1']) });
    expect(await provider.deliver(to(`http://both.example.org:${peer.port}/`), within(2000))).toEqual({ kind: 'done' });
    expect([peer.posts.length, hidden.accepted]).toEqual([1, 0]);
    expect(peer.posts[0]?.headers.host).toBe(`both.example.org:${peer.port}`);
  });

  it('and an address that may not be dialled is not even tried when the other one is down', async () => {
    await peer.stop();
    const provider = webhooks({ allow, resolve: () => Promise.resolve(['127.0.0.1', '127.0.0.2']) });
    const outcome = await provider.deliver(to(`http://both.example.org:${peer.port}/`), within(2000));
    expect(outcome).toMatchObject({ kind: 'retry', code: 'connection_refused' });
    expect(hidden.accepted).toBe(0);
    peer = await HttpPeer.start();
  });
});

describe('a name that does not resolve', () => {
  it.each(['ENOTFOUND', 'EAI_AGAIN', 'ESERVFAIL', 'ETIMEOUT'])('with %s is tried again later', async (code) => {
    const provider = webhooks({ resolve: () => Promise.reject(Object.assign(new Error('no'), { code })) });
    const outcome = await provider.deliver(to('https://nowhere.example.org/'), within(2000));
    expect(outcome).toMatchObject({ kind: 'retry', code: 'dns_failed' });
  });

  it('in the real DNS is tried again later too', async () => {
    // Invalid by RFC 6761; a machine without DNS fails to find it just as well.
    const outcome = await webhooks().deliver(to('https://hooks.invalid/'), within(8000));
    expect(outcome).toMatchObject({ kind: 'retry', code: 'dns_failed' });
  });

  it('to any address is blocked', async () => {
    const provider = webhooks({ resolve: () => Promise.resolve([]) });
    expect(await provider.deliver(to('https://nowhere.example.org/'), within(2000))).toMatchObject(blocked);
  });

  it('in time is given up, and nothing is sent when it resolves after all', async () => {
    const { promise, resolve } = Promise.withResolvers<string[]>();
    const provider = webhooks({ allow: ['127.0.0.0/8'], resolve: () => promise });
    const outcome = await provider.deliver(to(`http://slow.example.org:${peer.port}/`), within(50));
    expect(outcome).toMatchObject({ kind: 'retry', code: 'timeout' });
    resolve(['127.0.0.1']);
    await eventually(() => peer.accepted > 0, 'the connection that came too late');
    await eventually(() => peer.connections === 0, 'it was closed');
    expect(peer.posts).toEqual([]);
  });
});

describe('TLS', () => {
  const certificate = selfSigned('hooks.example.org');
  const resolve = () => Promise.resolve(['127.0.0.1']);
  const allow = ['127.0.0.0/8'];
  let secure: HttpPeer;
  beforeEach(async () => {
    secure = await HttpPeer.start(replies(200), certificate);
  });
  afterEach(() => secure.stop());

  it('is checked against the name of the URL, which also stands in Host', async () => {
    const provider = webhooks({ allow, resolve, ca: certificate.cert });
    const url = `https://hooks.example.org:${secure.port}/`;
    expect(await provider.deliver(to(url), within(2000))).toEqual({ kind: 'done' });
    expect(secure.posts[0]?.headers.host).toBe(`hooks.example.org:${secure.port}`);
  });
  it.each([
    ['for another name', 'other.example.org', certificate.cert],
    ['of an authority that nobody trusts', 'hooks.example.org', undefined],
  ])('with a certificate %s is refused', async (_what, host, ca) => {
    const provider = webhooks({ allow, resolve, ...(ca === undefined ? {} : { ca }) });
    const outcome = await provider.deliver(to(`https://${host}:${secure.port}/`), within(2000));
    expect(outcome).toMatchObject({ kind: 'retry', code: 'tls_failed' });
    expect(secure.posts).toEqual([]);
  });
  it('towards a receiver that has none is a failure, never a fallback', async () => {
    const provider = webhooks({ allow, resolve, ca: certificate.cert });
    const outcome = await provider.deliver(to(`https://hooks.example.org:${peer.port}/`), within(2000));
    expect(outcome).toMatchObject({ kind: 'retry', code: 'tls_failed' });
    expect(peer.posts).toEqual([]);
  });
});

describe('a webhook URL is refused', () => {
  it.each([
    'https://kim:hunter2@example.org/',
    'https://user@example.org/',
    'ftp://example.org/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'https://',
    'https://[fe80::1%25eth0]/',
    'https://[::1',
    'https://exa mple.org/',
    'https://256.256.256.256/',
    'https://example.org:0/',
    'https://example.org:25/',
    'https://example.org:6667/',
    'https://example.org:99999/',
    '//example.org/',
  ])('%s', async (url) => {
    const outcome = await webhooks().deliver(to(url), within(1000));
    expect(outcome).toMatchObject({ kind: 'reject', code: 'webhook_url_invalid' });
    expect(JSON.stringify(outcome)).not.toMatch(/hunter2|example|etc/);
  });
  it('that is not there', async () => {
    const attempt = testAttempt({ channel: 'webhook' });
    expect(await webhooks().deliver(attempt, within(1000))).toMatchObject({ kind: 'reject', code: 'address_missing' });
  });
});
