import type { RawRecord } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import { letterOf, replayOf } from './letter.js';

const header = (name: string, value: string | Buffer) => [name, Buffer.from(value)] as const;
const DLT = [
  header('dlt_topic', 'somebody.elses.v1'),
  header('dlt_partition', '3'),
  header('dlt_offset', '41'),
  header('dlt_timestamp', '253402300799000'),
  header('dlt_group', 'bongsu.status'),
  header('dlt_code', 'record_not_json'),
  header('dlt_detail', 'The value is not JSON'),
  header('dlt_at', '2026-11-21T00:00:00.000Z'),
];
const raw = (headers: RawRecord['headers']): RawRecord => ({
  topic: 'things.v1.bongsu.status.dlt',
  partition: 3,
  offset: 7n,
  timestamp: 0n,
  key: null,
  value: Buffer.from([0xff, 0x00]),
  headers,
});

describe('a letter', () => {
  it('says where it came from and why', () => {
    expect(letterOf(raw([header('a', 'b'), ...DLT]))).toMatchObject({
      partition: 3,
      offset: 7n,
      origin: { topic: 'somebody.elses.v1', partition: 3, offset: '41', at: '9999-12-31T23:59:59.000Z' },
      code: 'record_not_json',
      detail: 'The value is not JSON',
      replays: 0,
      headers: [['a', Buffer.from('b')]],
    });
  });

  it('that says nothing, or nonsense, can be read all the same', () => {
    const nonsense = [header('dlt_partition', '-1'), header('dlt_timestamp', 'x'), header('bongsu_replays', '1e9')];
    for (const headers of [[], nonsense])
      expect(letterOf(raw(headers))).toMatchObject({ origin: { partition: undefined, at: undefined }, replays: 0 });
  });
});

describe('its replay', () => {
  it('is the record as it was, in its topic and partition, and says how often', () => {
    const proto = header('__proto__', 'x');
    const own = [header('a', 'b'), header('twice', '1'), header('twice', '2'), proto, header('bongsu_replays', '2')];
    const record = replayOf('things.v1', letterOf(raw([...own, ...DLT])));
    expect(record).toMatchObject({ topic: 'things.v1', partition: 3, key: null, value: Buffer.from([0xff, 0x00]) });
    expect(Object.entries(record.headers)).toEqual([
      ['a', Buffer.from('b')],
      ['twice', [Buffer.from('1'), Buffer.from('2')]],
      ['__proto__', Buffer.from('x')],
      ['bongsu_replays', '3'],
    ]);
  });

  it('stays in the partition of the letter when it is not known where it came from', () => {
    expect(replayOf('things.v1', letterOf(raw([])))).toMatchObject({ partition: 3 });
  });
});
