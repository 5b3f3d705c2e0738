import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CannotPlace, copiesData, planMoves, type BrokerPlace, type Move, type Placement } from './place.js';

const brokers = (...ids: number[]): BrokerPlace[] => ids.map((id) => ({ id, rack: `rack-${id}` }));
const applied = (placements: readonly Placement[], moves: readonly Move[]): Placement[] =>
  placements.map((each) => moves.find((m) => m.topic === each.topic && m.partition === each.partition) ?? each);
const counts = (ids: readonly number[], all: readonly BrokerPlace[]): number[] =>
  all.map(({ id }) => ids.filter((each) => each === id).length);
const unevenness = (values: readonly number[]): number => Math.max(...values) - Math.min(...values);

/** As `topics apply` leaves them on three brokers. */
const eight: Placement[] = Array.from({ length: 8 }, (_, partition) => ({
  topic: 'a.v1',
  partition,
  replicas: [1, 2, 3].map((_, index) => ((partition + index) % 3) + 1),
}));

describe('planMoves', () => {
  it('gives a broker that was added its share, and moves nothing else', () => {
    const moves = planMoves(eight, brokers(1, 2, 3, 4));
    const after = applied(eight, moves);
    expect(
      counts(
        after.flatMap(({ replicas }) => replicas),
        brokers(1, 2, 3, 4),
      ),
    ).toEqual([6, 6, 6, 6]);
    expect(
      counts(
        after.map(({ replicas }) => replicas[0]!),
        brokers(1, 2, 3, 4),
      ),
    ).toEqual([2, 2, 2, 2]);
    const copied = moves.flatMap(({ from, replicas }) => replicas.filter((id) => !from.includes(id)));
    expect(copied).toEqual([4, 4, 4, 4, 4, 4]);
  });

  it('takes everything off a broker that is drained', () => {
    const grown = applied(eight, planMoves(eight, brokers(1, 2, 3, 4)));
    const moves = planMoves(grown, brokers(1, 2, 4));
    expect(moves.every(({ replicas }) => replicas.length === 3 && !replicas.includes(3))).toBe(true);
    expect(moves.filter(copiesData).every(({ from }) => from.includes(3))).toBe(true);
  });

  it('adds and removes replicas', () => {
    const single = eight.map((each) => ({ ...each, replicas: [1] }));
    const more = applied(single, planMoves(single, brokers(1, 2, 3), { replicas: 3 }));
    expect(more.every(({ replicas }) => new Set(replicas).size === 3)).toBe(true);
    const fewer = planMoves(more, brokers(1, 2, 3), { replicas: 1 });
    expect(fewer.some(copiesData)).toBe(false);
    expect(fewer.every(({ replicas }) => replicas.length === 1)).toBe(true);
  });

  it('refuses when there are too few brokers', () => {
    expect(() => planMoves(eight, brokers(1, 2))).toThrow(CannotPlace);
  });

  it('puts the replicas of a partition into different racks', () => {
    const places = [1, 2, 3, 4, 5, 6].map((id) => ({ id, rack: id <= 3 ? 'east' : 'west' }));
    const onOneThatGoes = eight.map((each) => ({ ...each, replicas: [1, 7] }));
    for (const { replicas } of applied(onOneThatGoes, planMoves(onOneThatGoes, places)))
      expect(new Set(replicas.map((id) => (id <= 3 ? 'east' : 'west')))).toEqual(new Set(['east', 'west']));
  });

  it('is valid, even and final, wherever partitions are and wherever they shall go', () => {
    const someBrokers = fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 7 });
    const scene = fc
      .record({
        before: someBrokers,
        after: someBrokers,
        topics: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
      })
      .chain(({ before, after, topics }) =>
        fc.record({
          after: fc.constant(after),
          placements: fc.tuple(
            ...topics.flatMap((partitions, topic) =>
              Array.from({ length: partitions }, (_, partition) =>
                fc
                  .shuffledSubarray(before, { minLength: 1, maxLength: Math.min(before.length, after.length) })
                  .map((replicas): Placement => ({ topic: `t${topic}`, partition, replicas })),
              ),
            ),
          ),
        }),
      );
    fc.assert(
      fc.property(scene, ({ after, placements }) => {
        const places = brokers(...after);
        const result = applied(placements, planMoves(placements, places));
        for (const [index, { replicas }] of result.entries()) {
          expect(replicas.every((id) => after.includes(id))).toBe(true);
          expect(new Set(replicas).size).toBe(placements[index]!.replicas.length);
        }
        for (const partitions of Map.groupBy(result, ({ topic }) => topic).values())
          expect(
            unevenness(
              counts(
                partitions.flatMap(({ replicas }) => replicas),
                places,
              ),
            ),
          ).toBeLessThanOrEqual(1);
        expect(planMoves(result, places)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
