import { describe, expect, it } from 'vitest';
import { printable, table } from './output.js';

describe('output', () => {
  it('lines up columns', () => {
    expect(
      table([
        ['a', 'bb', 'c'],
        ['aaa', 'b', 'long'],
      ]),
    ).toBe('a    bb  c\naaa  b   long');
  });

  it('lets no control character through', () => {
    expect(printable('a\u001B[2J\r\nb\u0085봉')).toBe('a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}봉');
  });
});
