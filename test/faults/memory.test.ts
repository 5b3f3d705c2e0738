import { expect, it } from 'vitest';
import { notFlat, thirdsOf } from './memory.js';

/** A minute of a heap that is collected every ten samples, and of which so much more is kept each time, MB. */
const sawtooth = (growth: number, residentGrowth = 0) =>
  Array.from({ length: 90 }, (_, n) => ({
    resident: 300 + n * residentGrowth,
    used: 80 + (n % 10) * 12 + Math.floor(n / 10) * growth,
  }));
const judged = (...given: Parameters<typeof sawtooth>): string[] =>
  notFlat(new Map([['api', thirdsOf(sawtooth(...given))]]));

it('sees through a heap that fills and is collected', () => expect(judged(0)).toEqual([]));
it('finds memory that is used and grows', () => expect(judged(6)).toEqual(['api']));
it('finds memory that grows outside of the heap', () => expect(judged(0, 8)).toEqual(['api']));
it('says so when there is too little to judge', () => expect(() => thirdsOf(sawtooth(0).slice(0, 5))).toThrow('5'));
