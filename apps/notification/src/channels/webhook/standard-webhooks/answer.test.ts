import { describe, expect, it } from 'vitest';
import { answerOutcome, retryAfterMs } from './answer.js';

const now = new Date('2026-11-21T09:00:00.250Z');

describe('an HTTP status', () => {
  it.each([200, 201, 202, 204, 206, 299])('%i delivers', (status) => {
    expect(answerOutcome(status, undefined, now)).toEqual({ kind: 'done' });
  });
  it.each([408, 425, 429, 500, 501, 502, 503, 504, 507, 599])('%i is temporary', (status) => {
    expect(answerOutcome(status, undefined, now)).toMatchObject({ kind: 'retry', code: `http_${status}` });
    expect(answerOutcome(status, '120', now)).toMatchObject({ kind: 'retry', afterMs: 120_000 });
  });
  it.each([300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 409, 410, 413, 415, 418, 422, 451])(
    '%i is permanent',
    (status) => {
      expect(answerOutcome(status, '120', now)).toMatchObject({ kind: 'reject', code: `http_${status}` });
    },
  );
  it('with two Retry-After headers takes the first', () => {
    expect(answerOutcome(503, ['5', '7'], now)).toMatchObject({ kind: 'retry', code: 'http_503', afterMs: 5000 });
  });
  it('without Retry-After says nothing about when', () => {
    expect(answerOutcome(503, undefined, now)).not.toHaveProperty('afterMs');
  });
});

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7000],
    ['86400', 86_400_000],
    ['86401', 86_400_000],
    ['999999999999999', 86_400_000],
    ['Sat, 21 Nov 2026 09:02:00 GMT', 119_750],
    ['Saturday, 21-Nov-26 09:02:00 GMT', 119_750],
    ['Sat Nov 21 09:02:00 2026', 119_750],
    ['Sat, 21 Nov 2026 08:00:00 GMT', 0],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 86_400_000],
  ])('%s is %i ms', (value, ms) => {
    expect(retryAfterMs(value, now)).toBe(ms);
  });
  it.each([
    undefined,
    '',
    'soon',
    '-1',
    '1.5',
    '1e9',
    '0x10',
    '2026-11-22',
    '9999999999999999',
    'Sat, 99 Nov 2026 09:00:00 GMT',
  ])('%s says nothing', (value) => {
    expect(retryAfterMs(value, now)).toBeUndefined();
  });
});
