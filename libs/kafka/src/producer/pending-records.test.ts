import { describe, expect, it } from 'vitest';
import { PendingRecords } from './pending-records.js';
import type { Entry } from './record.js';
import type { TopicState } from './topic-catalog.js';

const topic = (name: string, maxMessageBytes = 1_000_000): TopicState => ({
  declared: name,
  name,
  partitions: 4,
  maxMessageBytes,
  askedAt: 0,
  missingSince: undefined,
  refreshing: false,
});
const ours = topic('ours');
const entry = (bytes: number, { at = 0, of = ours, partition = 0 } = {}): Entry => ({
  topic: of,
  message: { key: 'k', value: null, partition },
  bytes,
  at,
  group: undefined,
  resolve: () => undefined,
  reject: () => undefined,
  state: 'open',
});
const take = () => 'take' as const;
function waiting(...entries: Entry[]): PendingRecords {
  const pending = new PendingRecords();
  for (const each of entries) pending.add(each);
  return pending;
}

describe('PendingRecords', () => {
  it('takes batches in order, capped in records', () => {
    const entries = Array.from({ length: 7 }, () => entry(10));
    const pending = waiting(...entries);
    expect(pending.takeBatch(3, 1_000, take)).toEqual(entries.slice(0, 3));
    expect(pending.takeBatch(3, 1_000, take)).toEqual(entries.slice(3, 6));
    expect(pending.takeBatch(3, 1_000, take)).toEqual(entries.slice(6));
    expect(pending.takeBatch(3, 1_000, take)).toEqual([]);
  });

  it('takes batches capped in bytes, but always one record', () => {
    const pending = waiting(entry(60), entry(60), entry(500), entry(10));
    expect(pending.takeBatch(10, 100, take)).toHaveLength(1);
    expect(pending.takeBatch(10, 100, take)).toHaveLength(1);
    expect(pending.takeBatch(10, 100, take)).toHaveLength(1);
    expect(pending.takeBatch(10, 100, take)).toHaveLength(1);
  });

  it('takes for no partition more than its topic takes in one batch', () => {
    const small = topic('small', 200);
    const pending = waiting(
      entry(100, { of: small }),
      entry(100, { of: small, partition: 1 }),
      entry(100, { of: small }),
      entry(100, { of: small, partition: 2 }),
    );
    // The third does not fit beside the first (61 bytes are the batch's own), and the fourth must not overtake it.
    expect(pending.takeBatch(10, 10_000, take)).toHaveLength(2);
    expect(pending.takeBatch(10, 10_000, take)).toHaveLength(2);
  });

  it('counts the bytes of what waits and of what was taken until it is released', () => {
    const pending = waiting(entry(60), entry(40), entry(5));
    const batch = pending.takeBatch(2, 1_000, take);
    expect(pending.bytes).toBe(105);
    pending.release(batch);
    expect(pending.bytes).toBe(5);
    pending.takeBatch(2, 1_000, () => 'drop');
    expect(pending.bytes).toBe(0);
    expect(pending.size).toBe(0);
  });

  it('stops where it is told, and keeps the rest', () => {
    const pending = waiting(entry(1), entry(2), entry(3));
    expect(pending.takeBatch(10, 1_000, ({ bytes }) => (bytes === 2 ? 'stop' : 'take'))).toHaveLength(1);
    expect(pending.first()?.bytes).toBe(2);
  });

  it('gives up what has waited too long, and only that', () => {
    const pending = waiting(entry(1, { at: 10 }), entry(1, { at: 20 }), entry(1, { at: 30 }));
    expect(pending.takeOlderThan(25).map(({ at }) => at)).toEqual([10, 20]);
    expect(pending.size).toBe(1);
    expect(pending.bytes).toBe(1);
  });

  it('takes out one topic and keeps the order of the others', () => {
    const theirs = topic('theirs');
    const pending = waiting(entry(1), entry(2, { of: theirs }), entry(3), entry(4, { of: theirs }));
    expect(pending.takeTopic(theirs).map(({ bytes }) => bytes)).toEqual([2, 4]);
    expect(pending.takeAll().map(({ bytes }) => bytes)).toEqual([1, 3]);
    expect(pending.bytes).toBe(0);
  });

  it('keeps nothing of a million records that have passed', () => {
    const pending = new PendingRecords();
    for (let n = 0; n < 1_000_000; n++) {
      pending.add(entry(1));
      if (n % 500 === 499) pending.release(pending.takeBatch(500, 1_000, take));
    }
    expect([pending.size, pending.bytes, pending.first()]).toEqual([0, 0, undefined]);
  });
});
