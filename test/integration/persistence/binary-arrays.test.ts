import { createLogger } from '@bongsu/observability';
import { connectAndMigrate, createDataSource, query } from '@bongsu/persistence';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';

const dataSource = createDataSource({
  service: 'binary_arrays',
  url: inject('bongsu').postgresUrl,
  poolSize: 3,
  entities: [],
  migrations: [],
});
beforeAll(() => connectAndMigrate(dataSource, createLogger('test', 'silent')));
afterAll(async () => {
  await dataSource.query('DROP SCHEMA binary_arrays CASCADE');
  await dataSource.destroy();
});

/** What PostgreSQL makes of an array that is sent as text, and as a named statement's. */
async function bothWays(type: string, values: readonly unknown[]): Promise<(string | undefined)[]> {
  const text = `SELECT ($1::${type}[])::text AS seen`;
  const [asText] = await query<{ seen: string }>(dataSource, text, [values]);
  const [asStatement] = await query<{ seen: string }>(dataSource, { name: `see_${type}`, text }, [values]);
  return [asText?.seen, asStatement?.seen];
}

it.each<[string, readonly unknown[]]>([
  ['uuid', ['019a0000-1111-7222-8333-444444444444', null, 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF']],
  ['text', ['', 'plain', null, 'NULL', '"quoted" \\ {1,2}', 'line\nbreak', 'Grüße 🦊 ￿', '\ud800 alone', undefined]],
  ['bytea', [Buffer.alloc(0), null, Buffer.from([0, 1, 0xff, 0x5c, 0x27])]],
  ['boolean', [true, null, false]],
  ['smallint', [0, -32_768, null, 32_767]],
  ['integer', [0, -(2 ** 31), null, 2 ** 31 - 1]],
  ['bigint', [0, null, 2 ** 53 - 1, -(2n ** 63n), 2n ** 63n - 1n, '9223372036854775807', '-1', '007']],
  ['float8', [0, -0, 1.5, null, 1e-300, NaN, Infinity, -Infinity]],
  ['timestamptz', [new Date(0), null, new Date('2026-11-21T12:34:56.789Z'), new Date('1969-12-31T23:59:59.999Z')]],
  [
    'timestamptz',
    [
      '2026-11-21T12:34:56.789Z',
      '2026-11-21T12:34:56+05:30',
      '2028-02-29T00:00:00Z',
      new Date('9999-12-31T23:59:59.999Z'),
    ],
  ],
  ['timestamptz', ['2026-11-21T12:34:56.123456Z', 'infinity', '2026-11-21 12:00', null]],
  ['text', []],
  ['uuid', [null, null]],
  ['jsonb', ['{"a": 1}']],
])('%s: an array means the same in binary format', async (type, values) => {
  const [asText, asStatement] = await bothWays(type, values);
  expect(asText).toBeDefined();
  expect(asStatement).toBe(asText);
});

it.each([
  ['uuid', ['not an id'], '22P02'],
  ['smallint', [32_768], '22003'],
  ['integer', [1.5], '22P02'],
  ['bigint', ['9223372036854775808'], '22003'],
  ['text', ['a\0b'], '22021'],
  ['boolean', ['maybe'], '22P02'],
  ['timestamptz', ['2026-02-30T00:00:00Z'], '22008'],
])('%s: what is not one is refused by PostgreSQL, as before', async (type, values, code) => {
  await expect(bothWays(type, values)).rejects.toMatchObject({ code });
  const statement = { name: `refuse_${type}`, text: `SELECT $1::${type}[]` };
  await expect(query(dataSource, statement, [values])).rejects.toMatchObject({ code });
});

it('takes arrays of any length, and other parameters beside them', async () => {
  const statement = {
    name: 'beside',
    text: 'SELECT count(*)::int AS n, max(t || $2) AS last FROM unnest($1::text[]) AS t WHERE t < $3',
  };
  const many = Array.from({ length: 50_000 }, (_, i) => `t${String(i).padStart(5, '0')}`);
  expect(await query(dataSource, statement, [many, '!', 't40000'])).toEqual([{ n: 40_000, last: 't39999!' }]);
});
