import { describe, expect, it } from 'vitest';
import { isEmailAddress } from './email.js';

describe('isEmailAddress', () => {
  it.each([
    'a@example.org',
    'first.last+tag@mail.example.co',
    'x@büro.example',
    'x@例え.テスト',
    'x@xn--bro-hoa.example',
    'a@1.example',
  ])('takes %s', (address) => expect(isEmailAddress(address)).toBe(true));

  it.each([
    '',
    'a',
    '@example.org',
    'a@',
    'a@example',
    'a@127.0.0.1',
    'a@[127.0.0.1]',
    'a@example.org:25',
    'a@exa mple.org',
    'a b@example.org',
    'a..b@example.org',
    '.a@example.org',
    '"a b"@example.org',
    'a@example.org\r\nBcc: b@example.org',
    'a@b@example.org',
    'a@-x.example',
    'a@x%2eexample',
    `${'a'.repeat(65)}@example.org`,
    `a@${'x'.repeat(64)}.org`,
    `a@${'x.'.repeat(130)}org`,
    'A <a@example.org>',
  ])('refuses %j', (address) => expect(isEmailAddress(address)).toBe(false));
});
