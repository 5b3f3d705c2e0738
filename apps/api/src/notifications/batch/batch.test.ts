import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { BongsuError } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import { answersTo } from './answers.js';
import { linesOf, type Line } from './lines.js';

const never = new AbortController().signal;
const limits = { maxBytes: 10, idleMs: 1_000, stop: never };
const stream = (...chunks: string[]) =>
  Readable.from(
    chunks.map((chunk) => Buffer.from(chunk)),
    { objectMode: true },
  );

async function read(lines: AsyncIterable<Line[]>): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of lines) {
    found.push(...batch.map((line) => (line instanceof BongsuError ? line.code : line.toString())));
  }
  return found;
}

describe('linesOf', () => {
  it.each([
    [['a\nb\n'], ['a', 'b']],
    [['a\nb'], ['a', 'b']],
    [
      ['a', 'b', '\n', 'c\n'],
      ['ab', 'c'],
    ],
    [['\n\na\n'], ['', '', 'a']],
    [[], []],
    [['봉', '수\n'], ['봉수']],
    [['x'.repeat(10), '\n'], ['x'.repeat(10)]],
    [
      ['x'.repeat(11), '\nb\n'],
      ['body_too_large', 'b'],
    ],
    [
      ['xxxxxx', 'xxxxxx', 'xxxxxx\nb'],
      ['body_too_large', 'b'],
    ],
    [['xxxxxx', 'xxxxxx'], ['body_too_large']],
  ])('splits %j', async (chunks, lines) => expect(await read(linesOf(stream(...chunks), limits))).toEqual(lines));

  it('ends a stream that says nothing, with an error for what it has begun', async () => {
    const silent = new Readable({ read: () => undefined });
    silent.push('a\nb');
    expect(await read(linesOf(silent, { ...limits, idleMs: 20 }))).toEqual(['a', 'request_timeout']);
    expect(silent.destroyed).toBe(false);
  });

  it('ends when it is told to', async () => {
    const endless = new Readable({ read: () => undefined });
    endless.push('a\n');
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20);
    expect(await read(linesOf(endless, { ...limits, stop: stop.signal }))).toEqual(['a']);
  });

  it('passes an error of the stream on', async () => {
    const broken = new Readable({ read: () => undefined });
    setTimeout(() => broken.destroy(new Error('reset')), 10);
    await expect(read(linesOf(broken, limits))).rejects.toThrow('reset');
  });
});

describe('answersTo', () => {
  const numbered = (count: number) =>
    (async function* lines() {
      for (let i = 0; i < count; i++) yield [Buffer.from(String(i))];
    })();
  async function all(answers: AsyncIterable<string>): Promise<unknown[]> {
    let text = '';
    for await (const part of answers) text += part;
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown);
  }

  it('answers in order, although later lines are ready sooner', async () => {
    const answer = async (_line: Line, index: number) => {
      await sleep((10 - index) * 2);
      return index;
    };
    expect(await all(answersTo(numbered(10), answer))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('reads no further than it may while answers are under way', async () => {
    let begun = 0;
    const gate = Promise.withResolvers<void>();
    const answers = answersTo(numbered(5_000), async (_line, index) => {
      begun++;
      await gate.promise;
      return index;
    });
    const first = answers.next();
    await sleep(50);
    expect(begun).toBe(1_000);
    gate.resolve();
    await first;
    expect((await all(answers)).at(-1)).toBe(4_999);
  });

  it('stops reading when nobody takes the answers any more', async () => {
    let begun = 0;
    const answers = answersTo(numbered(100_000), async () => ++begun);
    await answers.next();
    await answers.return(undefined);
    await sleep(20);
    const stopped = begun;
    await sleep(20);
    expect(begun).toBe(stopped);
    expect(begun).toBeLessThan(10_000);
  });

  it('fails when the stream does, after what was answered', async () => {
    const lines = (async function* failing() {
      yield [Buffer.from('a')];
      throw new Error('reset');
    })();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const text of answersTo(lines, async () => 'ok')) seen.push(text);
    })();
    await expect(reading).rejects.toThrow('reset');
    expect(seen.join('')).toBe('"ok"\n');
  });

  it('fails when an answer does', async () => {
    await expect(all(answersTo(numbered(3), () => Promise.reject(new Error('unexpected'))))).rejects.toThrow(
      'unexpected',
    );
  });
});
