import { expect, it } from 'vitest';
import { seeded } from './seeded.js';

it('gives the same numbers for the same seed, evenly enough, and others for another', () => {
  const draw = (seed: number): number[] => {
    const random = seeded(seed);
    return Array.from({ length: 1_000 }, () => random());
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  const mean = draw(7).reduce((sum, each) => sum + each, 0) / 1_000;
  expect(mean).toBeGreaterThan(0.45);
  expect(mean).toBeLessThan(0.55);
  expect(draw(7).every((each) => each >= 0 && each < 1)).toBe(true);
});
