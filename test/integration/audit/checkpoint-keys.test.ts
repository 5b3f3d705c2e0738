import { describe, expect, it } from 'vitest';
import {
  append,
  checkpointer,
  failures,
  inFile,
  keys,
  opens,
  ringOf,
  sizes,
  stored,
  withFreshStore,
} from './checkpointing.js';

withFreshStore();

describe('a new key', () => {
  it('is announced by the old one, once, and followed by who knows only the old one, or only the new', async () => {
    await append(0, 5);
    await checkpointer().round();
    await append(5, 10);
    await append(0, 10, 1);
    const rotated = checkpointer({ keys: keys('2', '1') });
    await rotated.round();
    await append(10, 15);
    await rotated.round();
    await checkpointer({ keys: keys('2', '1') }).round();
    await append(15, 20);
    await checkpointer({ keys: keys('2') }).round(); // the old one is taken away one day
    await append(20, 25);
    await checkpointer({ keys: keys('3', '2') }).round();
    await append(25, 30);
    await checkpointer({ keys: keys('3', '2') }).round();
    const notes = [...(await stored(0)), ...(await stored(1))].map(({ note }) => note);
    expect(notes.filter((note) => note.includes('\nnext-key '))).toHaveLength(2);
    for (const letter of ['1', '2', '3']) {
      const ring = ringOf(letter);
      expect(ring.learn(notes.toReversed())).toBe(2);
      for (const note of notes) opens(ring, note);
    }
    expect('refused' in ringOf('1').open((await stored()).at(-1)!.note)).toBe(true);
    expect(inFile().toSorted()).toEqual(notes.toSorted());
  });

  it('that nobody announced does not sign on what the old one signed', async () => {
    await append(0, 5);
    await checkpointer().round();
    await append(5, 10);
    const before = await failures();
    await checkpointer({ keys: keys('2') }).round();
    expect([await sizes(), await failures()]).toEqual([[5], before + 1]);
    await checkpointer({ keys: keys('2', '1') }).round();
    expect(await sizes()).toEqual([5, 10]);
  });
});
