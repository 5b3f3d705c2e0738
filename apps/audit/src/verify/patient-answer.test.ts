import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { patiently } from './patient-answer.js';

const TIMES = { atOnceMs: 20, spaceEveryMs: 5 };

describe('an answer that takes long', () => {
  it('is an ordinary one when it comes at once, and an ordinary failure', async () => {
    expect(await patiently(Promise.resolve({ ok: true }), TIMES)).toEqual({ ok: true });
    await expect(patiently(Promise.reject(new Error('away')), TIMES)).rejects.toThrow('away');
  });

  it('is JSON behind white space when it comes late', async () => {
    const { promise, resolve } = Promise.withResolvers<{ ok: boolean }>();
    const stream = await patiently(promise, TIMES);
    expect(stream).toBeInstanceOf(Readable);
    const pieces: string[] = [];
    for await (const piece of stream as Readable) {
      pieces.push(String(piece));
      if (pieces.length === 3) resolve({ ok: true });
    }
    expect(pieces.slice(0, 3)).toEqual([' ', ' ', ' ']);
    expect(JSON.parse(pieces.join(''))).toEqual({ ok: true });
  });

  it('is cut off when it fails late', async () => {
    const { promise, reject } = Promise.withResolvers<never>();
    const stream = await patiently(promise, TIMES);
    reject(new Error('away'));
    await expect(stream.toArray()).rejects.toThrow('away');
  });
});
