import { readSettings } from '@bongsu/config';
import { createLogger } from '@bongsu/observability';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { createProviders } from './registry.js';
import { CHANNEL_SETTINGS } from './settings.js';
import { signatureHeaders } from './webhook/standard-webhooks/signature.js';

const read = (env: NodeJS.ProcessEnv) => readSettings(CHANNEL_SETTINGS, env);
const create = (env: NodeJS.ProcessEnv, lines: string[] = []) =>
  createProviders(
    { ...read(env), PROVIDER_TIMEOUT: 15_000 },
    createLogger('notification', 'info', { write: (line) => lines.push(line) }),
  );

describe('the channels settings', () => {
  it('send mails to the mail catcher by default, and webhooks to public addresses alone', () => {
    const { SMTP_URL, SMTP_FROM, WEBHOOK_SIGNING_SECRET, WEBHOOK_ALLOWED_NETWORKS } = read({});
    expect(SMTP_URL).toMatchObject([{ name: 'smtp:127.0.0.1:1025', options: { host: '127.0.0.1', port: 1025 } }]);
    expect(SMTP_FROM).toEqual({ name: 'Bongsu', address: 'bongsu@localhost' });
    expect(WEBHOOK_SIGNING_SECRET).toBeUndefined();
    expect(WEBHOOK_ALLOWED_NETWORKS).toEqual([]);
  });

  it.each([
    ['SMTP_URL', 'http://mail.example.org'],
    ['SMTP_URL', 'smtp://'],
    ['SMTP_URL', 'smtp://mail.example.org/path'],
    ['SMTP_URL', 'smtp://mail.example.org?rejectUnauthorized=false'],
    ['SMTP_URL', 'smtp://mail.example.org?maxConnections=0'],
    ['SMTP_URL', 'smtp://mail.example.org?maxConnections=many'],
    ['SMTP_URL', 'smtp://mail.example.org:0'],
    ['SMTP_URL', 'smtp://mail.example.org?maxMessages=few'],
    ['SMTP_URL', 'smtp://mail.example.org?rateLimit=-1'],
    ['SMTP_URL', 'smtp://h%zz'],
    ['SMTP_URL', 'smtp://mail.example.org,mail2.example.org'],
    ['SMTP_FROM', 'nobody'],
    ['SMTP_FROM', 'a@example.org, b@example.org'],
    ['SMTP_FROM', 'group: a@example.org;'],
    ['SMTP_FROM', 'jörg@example.org'],
    ['WEBHOOK_SIGNING_SECRET', 'MDEyMzQ1Njc4OWFiY2RlZg=='],
    ['WEBHOOK_SIGNING_SECRET', 'whsec_'],
    ['WEBHOOK_SIGNING_SECRET', 'whsec_dG9vIHNob3J0'],
    ['WEBHOOK_SIGNING_SECRET', 'whsec_not base64 not base64 not base64'],
    ['WEBHOOK_SIGNING_SECRET', `whsec_${Buffer.alloc(32, 255).toString('base64url')}`],
    ['WEBHOOK_ALLOWED_NETWORKS', '10.0.0.0/33'],
    ['WEBHOOK_ALLOWED_NETWORKS', '10/8'],
    ['WEBHOOK_ALLOWED_NETWORKS', '010.0.0.0/8'],
    ['WEBHOOK_ALLOWED_NETWORKS', '0x0a.0.0.0/8'],
    ['WEBHOOK_ALLOWED_NETWORKS', '10.0.0.0/'],
    ['WEBHOOK_ALLOWED_NETWORKS', 'example.org'],
    ['WEBHOOK_ALLOWED_NETWORKS', '10.0.0.0/8,everything'],
  ])('refuse %s=%s', (name, value) => {
    expect(() => read({ [name]: value })).toThrow(new RegExp(`- ${name} `));
  });

  it('tell no secret when they refuse one', () => {
    const env = { SMTP_URL: 'smtp://me:hunter2@mail.example.org?nope=1', WEBHOOK_SIGNING_SECRET: 'whsec_hunter2' };
    expect(() => read(env)).toThrow(/nope/);
    expect(() => read(env)).not.toThrow(/hunter2/);
  });

  it.each(['10.0.0.0/8', '192.168.1.7', 'fd00::/8', '::1/128', '::ffff:10.0.0.0/104'])(
    'take the network %s',
    (text) => {
      expect(read({ WEBHOOK_ALLOWED_NETWORKS: text }).WEBHOOK_ALLOWED_NETWORKS).toHaveLength(1);
    },
  );

  it.each([
    ['smtp://user:pass@mail.example.org', { requireTLS: true, port: 587, auth: { user: 'user', pass: 'pass' } }],
    ['smtp://user:pass@mail.example.org:25?ignoreTLS=true', { ignoreTLS: true, port: 25 }],
    ['smtps://user:a%2Cb%40c@mail.example.org', { secure: true, port: 465, auth: { user: 'user', pass: 'a,b@c' } }],
    ['smtp://[::1]:2525?tls.rejectUnauthorized=false', { host: '::1', port: 2525, tls: { rejectUnauthorized: false } }],
    ['smtp://mail.example.org?maxConnections=3', { maxConnections: 3 }],
    ['smtp://mail_catcher?maxMessages=7&rateLimit=5&rateDelta=60000', { host: 'mail_catcher', rateDelta: 60_000 }],
    ['smtp://Mail.Bücher.example', { host: 'mail.xn--bcher-kva.example' }],
  ])('read %s', (url, options) => {
    expect(read({ SMTP_URL: url }).SMTP_URL[0]?.options).toMatchObject(options);
  });

  it.each([24, 32, 64])('take a signing secret of %i bytes, and receivers can verify what it signs', (bytes) => {
    const text = `whsec_${Buffer.alloc(bytes, 251).toString('base64')}`;
    const secret = read({ WEBHOOK_SIGNING_SECRET: text }).WEBHOOK_SIGNING_SECRET ?? '';
    const headers = signatureHeaders(secret, 'delivery-1', new Date(), '{"a":"é"}');
    expect(new Webhook(text).verify('{"a":"é"}', headers)).toEqual({ a: 'é' });
  });

  it('send a password unencrypted only where they say so, or to this machine', () => {
    const requires = (url: string) => read({ SMTP_URL: url }).SMTP_URL[0]?.options.requireTLS ?? false;
    expect(requires('smtp://user:pass@mail.example.org')).toBe(true);
    expect(requires('smtp://mail.example.org')).toBe(false);
    expect(requires('smtp://user:pass@127.0.0.1:1025')).toBe(false);
    expect(requires('smtp://user:pass@mail.example.org?ignoreTLS=true')).toBe(false);
  });
});

describe('the registry', () => {
  it('has a provider for every channel, in the order of preference, each with a name of its own', () => {
    const registry = create({
      SMTP_URL: 'smtps://a:1@mail.example.org, smtp://backup.example.org, smtps://b:2@mail.example.org',
      WEBHOOK_SIGNING_SECRET: 'whsec_MDEyMzQ1Njc4OWFiY2RlZg==',
    });
    expect(registry.of('email').map(({ name }) => name)).toEqual([
      'smtp:mail.example.org:465',
      'smtp:backup.example.org:587',
      'smtp:mail.example.org:465#3',
    ]);
    expect(registry.of('webhook').map(({ name }) => name)).toEqual(['webhook']);
    expect(registry.of('log').map(({ name }) => name)).toEqual(['log']);
    expect(registry.of('pigeon')).toEqual([]);
  });

  it('says at the start that webhooks cannot be signed', async () => {
    const lines: string[] = [];
    const registry = create({}, lines);
    expect(lines.join('')).toContain('WEBHOOK_SIGNING_SECRET is not set');
    await registry.close();
  });
});
