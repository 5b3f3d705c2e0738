import { describe, expect, it } from 'vitest';
import type { Provider } from '../channels/provider.js';
import { assertNamed, limitsOf, providerLimits } from './limits.js';

const { parse } = providerLimits('');
const provider = (name: string, channel: Provider['channel']): Provider => ({
  name,
  channel,
  deliver: () => Promise.resolve({ kind: 'done' }),
});
const SMTP = provider('mail.example.org:587', 'email');
const WEBHOOK = provider('webhook', 'webhook');

describe('PROVIDER_LIMITS', () => {
  it('gives a destination what is set for it, else for its provider, else for the channel', () => {
    const limits = parse(
      'email=20, email=50/s, mail.example.org:587=5,webhook=10/s,webhook/api.example.org:8443=0.5/s',
    );
    expect(limitsOf(limits, SMTP, '')).toEqual({ concurrency: 5, ratePerSecond: 50 });
    expect(limitsOf(limits, WEBHOOK, 'other.example.org')).toEqual({ ratePerSecond: 10 });
    expect(limitsOf(limits, WEBHOOK, 'api.example.org:8443')).toEqual({ ratePerSecond: 0.5 });
    expect(limitsOf(parse(''), WEBHOOK, 'x')).toEqual({});
  });

  it.each(['email', 'email=', 'email=0', 'email=-1', 'email=1.5', 'email=1/m', '=5', 'email=five'])(
    'refuses %j',
    (text) => {
      expect(() => parse(text)).toThrow(/must/);
    },
  );

  it('refuses a name that nothing has', () => {
    const check = (names: string[], destinations: boolean): void =>
      assertNamed('PROVIDER_LIMITS', names, [SMTP, WEBHOOK], { destinations });
    expect(() => check(['email', 'webhook/a.example'], true)).not.toThrow();
    expect(() => check(['webhook/a.example'], false)).toThrow(/webhook\/a.example/);
    expect(() => check(['emial'], true)).toThrow(/emial/);
    expect(() => check(['sms/a'], true)).toThrow(/sms\/a/);
  });
});
