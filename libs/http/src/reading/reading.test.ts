import { describe, expect, it } from 'vitest';
import { HttpProblem } from '../problems/problem.js';
import { RouteTable } from '../problems/route-table.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { QueryParameters } from './query-parameters.js';

const refused = (work: () => unknown): string => {
  try {
    return `accepted: ${String(work())}`;
  } catch (error) {
    if (!(error instanceof HttpProblem)) throw error;
    return error.code;
  }
};

describe('cursors', () => {
  it('give back what went in, whatever it is', () => {
    const parts = ['2026-11-21T00:00:00.000Z', 'ключ"\\', ''];
    expect(decodeCursor(encodeCursor(parts), /^2026/, /^ключ/, /^$/)).toEqual(parts);
  });

  const good = encodeCursor(['1', 'a']);
  it.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['another shape', Buffer.from('{"0":"1","1":"a"}').toString('base64url')],
    ['numbers', Buffer.from('[1,"a"]').toString('base64url')],
    ['too few parts', encodeCursor(['1'])],
    ['too many parts', encodeCursor(['1', 'a', 'b'])],
    ['a part that does not match', encodeCursor(['x', 'a'])],
    ['another spelling of a good one', Buffer.from('[ "1", "a" ]').toString('base64url')],
    ['padding', `${good}=`],
  ])('are refused when forged: %s', (_what, cursor) => {
    expect(refused(() => decodeCursor(cursor, /^\d$/, /^[a-z]$/))).toBe('invalid_parameter');
  });
});

describe('QueryParameters', () => {
  const given = (query: object) => new QueryParameters(query, ['limit', 'from', 'name', 'kind']);
  it('reads what is right', () => {
    const query = given({ limit: '7', from: '2026-11-21T09:00:00 09:00', name: 'Ærø', kind: 'b' });
    expect(query.integer('limit', 1, 100)).toBe(7);
    // The plus sign of the zone arrives as a blank when it was not escaped.
    expect(query.time('from')?.toISOString()).toBe('2026-11-21T00:00:00.000Z');
    expect(query.text('name', 3)).toBe('Ærø');
    expect(query.oneOf('kind', ['a', 'b'])).toBe('b');
    expect(given({}).integer('limit', 1, 100)).toBeUndefined();
  });

  it.each<[string, () => unknown]>([
    ['an unknown name', () => given({ limt: '1' })],
    ['__proto__', () => given(JSON.parse('{"__proto__":"1"}') as object)],
    ['a repeated one', () => given({ limit: ['1', '2'] })],
    ['a limit below the least', () => given({ limit: '0' }).integer('limit', 1, 100)],
    ['a limit above the most', () => given({ limit: '101' }).integer('limit', 1, 100)],
    ['a limit that is no number', () => given({ limit: '1e1' }).integer('limit', 1, 100)],
    ['an empty text', () => given({ name: '' }).text('name', 10)],
    ['a long text', () => given({ name: 'xxxx' }).text('name', 3)],
    ['a control character', () => given({ name: 'a\0' }).text('name', 3)],
    ['a lone surrogate', () => given({ name: '\ud800' }).text('name', 3)],
    ['another word', () => given({ kind: 'c' }).oneOf('kind', ['a', 'b'])],
    ['no time', () => given({ from: 'now' }).time('from')],
    ['a time without a zone', () => given({ from: '2026-11-21T09:00:00' }).time('from')],
    ['anything where nothing is taken', () => QueryParameters.refuseAll({ x: '1' })],
  ])('refuses %s', (_what, work) => expect(refused(work)).toBe('invalid_parameter'));
});

describe('RouteTable', () => {
  it('knows the methods of a path', () => {
    const table = new RouteTable();
    table.add(['GET', 'HEAD'], '/v1/things');
    table.add('POST', '/v1/things');
    table.add('DELETE', '/v1/things/:id');
    table.add('GET', '/docs/*');
    expect(table.methodsOf('/v1/things?x=1')).toEqual(['GET', 'HEAD', 'POST']);
    expect(table.methodsOf('/v1/things/7')).toEqual(['DELETE']);
    expect(table.methodsOf('/docs/a/b')).toEqual(['GET']);
    for (const path of ['/v1/things/', '/v1/things/7/x', '/v1', '/']) expect(table.methodsOf(path)).toEqual([]);
  });
});
