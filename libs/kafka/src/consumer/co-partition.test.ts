import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coPartition } from './co-partition.js';

const topics = (counts: Record<string, number>) => new Map(Object.entries(counts));
const members = (...ids: string[]) => ids.map((memberId) => ({ memberId, topics: ['a', 'b'] }));

describe('coPartition', () => {
  it('gives partition i of every topic to the same member', () => {
    expect([...coPartition(members('m2', 'm1'), topics({ a: 4, b: 2 }))]).toEqual([
      ['m1', { a: [0, 2], b: [0] }],
      ['m2', { a: [1, 3], b: [1] }],
    ]);
  });

  it('leaves surplus members idle', () => {
    const assignment = coPartition(members('m3', 'm1', 'm2'), topics({ a: 2, b: 2 }));
    expect(assignment.get('m3')).toEqual({});
  });

  it('gives a topic only to members that subscribe to it', () => {
    const subscribers = [
      { memberId: 'old', topics: ['a'] },
      { memberId: 'new', topics: ['a', 'b'] },
    ];
    const assignment = coPartition(subscribers, topics({ a: 2, b: 2 }));
    expect(assignment.get('new')).toEqual({ a: [0], b: [0, 1] });
    expect(assignment.get('old')).toEqual({ a: [1] });
  });

  it('assigns every partition once, evenly, whatever the numbers and in whatever order members come', () => {
    const ids = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 12 });
    const counts = fc.dictionary(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 40 }), { minKeys: 1 });
    fc.assert(
      fc.property(ids, counts, (names, given) => {
        const partitions = topics(given);
        const assignment = coPartition(members(...names), partitions);
        expect(coPartition(members(...names.toReversed()), partitions)).toEqual(assignment);
        for (const [topic, count] of partitions) {
          const shares = [...assignment.values()].map((each) => each[topic] ?? []);
          const all = shares.flat().toSorted((x, y) => x - y);
          expect(all).toEqual(Array.from({ length: count }, (_, i) => i));
          const sizes = shares.map(({ length }) => length);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
