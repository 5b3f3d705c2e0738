import { describe, expect, it } from 'vitest';
import { smtpOutcome } from './outcome.js';
import { credentialPattern, parseSmtpUrl } from './server.js';

/** What a refusal's message says when a server with this URL answers so. */
function messageOf(url: string, response: string): string {
  const error = { code: 'EENVELOPE', command: 'RCPT TO', responseCode: 550, response };
  const outcome = smtpOutcome(error, credentialPattern(parseSmtpUrl(url)));
  return (outcome as { message: string }).message;
}
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe("a server's words", () => {
  it('are shown', () => {
    const said = '550 5.1.1 <kim@example.org>: no such user';
    expect(messageOf('smtp://mail.example.org', said)).toBe(`The mail server said: ${said}`);
    expect(messageOf('smtp://me:hunter2@mail.example.org', said)).toBe(`The mail server said: ${said}`);
  });

  it.each([
    ['the password', 'hunter2'],
    ['it in capitals', 'HUNTER2'],
    ['it in base64', base64('hunter2')],
    ['it in base64 without padding', base64('hunter2').replaceAll('=', '')],
    ['the login as it is sent', base64('\0AKIA-ACCESS\0hunter2')],
    ['the user name', 'AKIA-ACCESS'],
    ['the user name in base64', base64('AKIA-ACCESS')],
  ])('are shown without %s', (_what, secret) => {
    const message = messageOf('smtp://AKIA-ACCESS:hunter2@mail.example.org', `550 you said ${secret}, and I say no`);
    expect(message).toMatch(/^The mail server said: 550 you said \[redacted\]=*, and I say no$/);
  });

  it.each(['(.*)+$', '[a', 'a|', '\\', '{1}', 'e', 'two  blanks', 'tab\there'])(
    'are shown without the password %j',
    (password) => {
      const url = `smtp://me:${encodeURIComponent(password)}@mail.example.org`;
      const message = messageOf(url, `550 ###${password}###`);
      expect(message).toBe('The mail server said: 550 ###[redacted]###');
    },
  );

  it('hold no part of a long password either, however often it is repeated', () => {
    const password = Array.from({ length: 500 }, (_, index) => (index * 7919).toString(36)).join('');
    const message = messageOf(`smtp://me:${password}@mail.example.org`, `550 ${password.repeat(20)}`);
    expect(message).not.toContain(password.slice(0, 20));
    expect(message.length).toBeLessThan(500);
  });

  it('are cut, and stay one line of whole characters', () => {
    const message = messageOf('smtp://mail.example.org', `550 ${'\u0007\r\n'.repeat(50)}${'👋'.repeat(5000)}`);
    expect(message).toMatch(/^The mail server said: 550 👋+\ufffd?$/u);
    expect(message.length).toBeLessThan(500);
  });
});
