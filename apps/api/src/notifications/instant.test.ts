import { NotificationRequest } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import { instantOf } from './instant.js';

const utc = (text: string): string => new Date(instantOf(text)).toISOString();

describe('instantOf', () => {
  it.each([
    ['an offset', '2026-12-01T09:00:00+09:00', '2026-12-01T00:00:00.000Z'],
    ['a zone in winter', '2027-01-15T09:00:00[Europe/Berlin]', '2027-01-15T08:00:00.000Z'],
    ['a zone in summer', '2027-07-15T09:00:00[Europe/Berlin]', '2027-07-15T07:00:00.000Z'],
    ['the last moment before spring', '2027-03-28T01:59:59[Europe/Berlin]', '2027-03-28T00:59:59.000Z'],
    ['a time that clocks leave out: as much later', '2027-03-28T02:30:00[Europe/Berlin]', '2027-03-28T01:30:00.000Z'],
    ['the morning after', '2027-03-28T09:00:00[Europe/Berlin]', '2027-03-28T07:00:00.000Z'],
    ['a time that clocks show twice: the earlier', '2027-10-31T02:30:00[Europe/Berlin]', '2027-10-31T00:30:00.000Z'],
    ['the earlier one, by its offset', '2027-10-31T02:30:00+02:00[Europe/Berlin]', '2027-10-31T00:30:00.000Z'],
    ['the later one, by its offset', '2027-10-31T02:30:00+01:00[Europe/Berlin]', '2027-10-31T01:30:00.000Z'],
    ['the west: left out', '2027-03-14T02:30:00[America/New_York]', '2027-03-14T07:30:00.000Z'],
    ['the west: twice', '2027-11-07T01:30:00[America/New_York]', '2027-11-07T05:30:00.000Z'],
    ['half an hour left out', '2027-10-03T02:15:00[Australia/Lord_Howe]', '2027-10-02T15:45:00.000Z'],
    ['half an hour twice: the earlier', '2027-04-04T01:45:00[Australia/Lord_Howe]', '2027-04-03T14:45:00.000Z'],
    ['half an hour twice: the later', '2027-04-04T01:45:00+10:30[Australia/Lord_Howe]', '2027-04-03T15:15:00.000Z'],
    ['no change ever', '2027-03-28T02:30:00.123456789[Asia/Seoul]', '2027-03-27T17:30:00.123Z'],
    ['a moment, whose zone does not matter', '2027-03-28T02:30:00Z[Europe/Berlin]', '2027-03-28T02:30:00.000Z'],
    ['a zone that must be understood', '2027-01-15T09:00:00[!Etc/GMT+5]', '2027-01-15T14:00:00.000Z'],
  ])('reads %s', (_what, text, expected) => {
    expect(NotificationRequest.violations({ recipient: { id: 'u' }, sendAt: text })).toEqual([]);
    expect(utc(text)).toBe(expected);
  });

  it.each([
    ['2027-03-28T09:00:00+01:00[Europe/Berlin]', 'has an offset'],
    ['2027-03-28T02:30:00+01:00[Europe/Berlin]', 'has an offset'],
    ['2027-10-31T02:30:00+01:30[Europe/Berlin]', 'has an offset'],
    ['2027-01-01T00:00:00[Middle/Earth]', 'is not known'],
    ['2027-01-01T00:00:00[constructor]', 'is not known'],
    ['2027-02-30T00:00:00[Europe/Berlin]', 'is not a moment'],
    ['2027-01-01T25:00:00[Europe/Berlin]', 'is not a moment'],
    ['2026-12-31T23:59:60Z', 'is not a moment'],
  ])('refuses %s', (text, why) => {
    expect(NotificationRequest.violations({ recipient: { id: 'u' }, sendAt: text })).toEqual([]);
    expect(() => instantOf(text)).toThrow(why);
  });
});

describe('the schema of a time', () => {
  it.each([
    '2027-01-01T00:00:00',
    '2027-01-01T00:00[Europe/Berlin]',
    '2027-01-01[Europe/Berlin]',
    '+272000-01-01T00:00:00[Europe/Berlin]',
    '2026-12-31T23:59:60[Europe/Berlin]',
    '2027-01-01T00:00:00[+02:00]',
    '2027-01-01T00:00:00[]',
    '2027-01-01T00:00:00[Europe/Berlin][u-ca=hebrew]',
    '2027-01-01T00:00:00[Europe/Berlin]\n',
    '2027-01-01T00:00:00[Europe/Berlin\u0000]',
    '2027-01-01T00:00:00[../../etc/passwd]',
    '2027-01-01T00:00:00[Europe/Bérlin]',
    `2027-01-01T00:00:00[${'A/'.repeat(60)}A]`,
    `2027-01-01T00:00:00[${'A'.repeat(200)}]`,
    `${'2'.repeat(100_000)}[Europe/Berlin]`,
    '1800000000',
  ])('does not take %j', (sendAt) => {
    expect(NotificationRequest.violations({ recipient: { id: 'u' }, sendAt })).toMatchObject([{ pointer: '/sendAt' }]);
    expect(NotificationRequest.violations({ recipient: { id: 'u' }, expiresAt: sendAt })).toHaveLength(1);
  });
});
