import { expect, it } from 'vitest';
import { repeatsBatchesOnly } from './traffic.js';

it.each([
  [[1, 2, 3], true],
  [[1, 2, 3, 2, 3, 4], true],
  [[1, 1, 2, 2], true],
  [[1, 2, 1, 2, 1, 2, 3], true],
  // An old record after a newer one.
  [[1, 2, 3, 2, 4], false],
  [[1, 2, 3, 1], false],
  [[1, 3, 2], false],
])('tells a batch that was sent again from disorder: %j', (numbers, expected) => {
  expect(repeatsBatchesOnly(numbers)).toBe(expected);
});
