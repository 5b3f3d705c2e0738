import { expect, it } from 'vitest';
import { recipients } from './recipients.js';

const draw = (seed: number): string[] => {
  const next = recipients('user', seed);
  return Array.from({ length: 40_000 }, next);
};
const times = (of: readonly string[], recipient: string): number => of.filter((each) => each === recipient).length;

it('draws the same recipients for the same seed, and others for another', () => {
  expect(draw(3)).toEqual(draw(3));
  expect(draw(3)).not.toEqual(draw(4));
});

it("draws half of them evenly and half by Zipf's law with the exponent 1", () => {
  const drawn = draw(5);
  const skewed = drawn.filter((each) => each.startsWith('user-zipf-'));
  expect(skewed.length / drawn.length).toBeCloseTo(0.5, 1);
  // The n-th comes 1/n as often as the first; the first is 1 of 7.485, the sum of 1/1 to 1/1000.
  expect(times(skewed, 'user-zipf-1') / skewed.length).toBeCloseTo(1 / 7.485, 2);
  expect(times(skewed, 'user-zipf-4') / times(skewed, 'user-zipf-1')).toBeCloseTo(1 / 4, 1);
  const even = drawn.filter((each) => each.startsWith('user-even-'));
  expect(new Set(even).size).toBe(1_000);
  expect(Math.max(...[...Map.groupBy(even, String).values()].map(({ length }) => length))).toBeLessThan(60);
});
