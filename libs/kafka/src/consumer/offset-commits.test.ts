import { createLogger } from '@bongsu/observability';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Membership, type Generation } from './membership.js';
import { OffsetCommits, type CommittedOffsets } from './offset-commits.js';

let membership: Membership;
let generation: Generation;
let closing: AbortController;
let sent: CommittedOffsets[];
let answers: (() => Promise<void>)[];
let commits: OffsetCommits;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
  membership = new Membership(9_000, 3_000);
  generation = membership.begin([]);
  closing = new AbortController();
  sent = [];
  answers = [];
  commits = new OffsetCommits({
    generation,
    membership,
    closing: closing.signal,
    logger: createLogger('test', 'silent'),
  });
  return () => vi.useRealTimers();
});

const offset = (topic: string, ...partitions: [number, number][]) => ({
  topic,
  partitions: partitions.map(([partition, next]) => ({ partition, offset: String(next) })),
});
const send = (offsets: CommittedOffsets): Promise<void> => {
  sent.push(offsets);
  return answers.shift()?.() ?? Promise.resolve();
};
const add = (topic: string, partition: number, next: number) => commits.add({ topic, partition }, BigInt(next), send);
const refused = (type: string) => () => Promise.reject(Object.assign(new Error(type), { type }));

describe('commits', () => {
  it('hold the newest offset of each partition that was done since the last', async () => {
    add('a', 0, 5);
    add('b', 1, 7);
    add('a', 0, 9);
    add('a', 1, 2);
    await vi.advanceTimersByTimeAsync(1);
    expect(sent).toEqual([{ topics: [offset('a', [0, 9], [1, 2]), offset('b', [1, 7])] }]);
  });

  it('follow one another, some time apart', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    answers.push(() => promise);
    add('a', 0, 1);
    await vi.advanceTimersByTimeAsync(1);
    add('a', 0, 2);
    add('a', 1, 8);
    await vi.advanceTimersByTimeAsync(500);
    expect(sent).toHaveLength(1);
    resolve();
    await vi.advanceTimersByTimeAsync(10);
    expect(sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(100);
    expect(sent[1]).toEqual({ topics: [offset('a', [0, 2], [1, 8])] });
    expect(sent).toHaveLength(2);
  });

  it('are made at once by who leaves', async () => {
    add('a', 0, 1);
    await vi.advanceTimersByTimeAsync(1);
    add('a', 0, 2);
    const flushed = commits.flush();
    await vi.advanceTimersByTimeAsync(0);
    await flushed;
    expect(sent.at(-1)).toEqual({ topics: [offset('a', [0, 2])] });
    await commits.flush();
    expect(sent).toHaveLength(2);
  });

  it('are tried again while Kafka is away', async () => {
    answers.push(() => Promise.reject(new Error('away')));
    add('a', 0, 1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(sent).toEqual([{ topics: [offset('a', [0, 1])] }, { topics: [offset('a', [0, 1])] }]);
  });

  it('take along, when they are tried again, what was done meanwhile: one partition that is refused holds up no other', async () => {
    answers.push(refused('TOPIC_AUTHORIZATION_FAILED'));
    add('a', 0, 1);
    add('b', 0, 1);
    await vi.advanceTimersByTimeAsync(1);
    add('b', 0, 7);
    await vi.advanceTimersByTimeAsync(200);
    expect(sent[1]).toEqual({ topics: [offset('a', [0, 1]), offset('b', [0, 7])] });
  });

  it('are tried again when no answer comes at all', async () => {
    answers.push(() => new Promise(() => undefined));
    add('a', 0, 1);
    await vi.advanceTimersByTimeAsync(1);
    add('a', 0, 2);
    for (let s = 0; s < 20; s++) {
      await vi.advanceTimersByTimeAsync(1_000);
      // Heartbeats go on.
      membership.alive();
      if (s === 9) expect(commits.behindMs).toBeGreaterThan(9_000);
    }
    expect(sent.at(-1)).toEqual({ topics: [offset('a', [0, 2])] });
    expect(commits.behindMs).toBe(0);
  });

  it.each(['ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS'])('are given up when the group says %s', async (type) => {
    answers.push(refused(type));
    add('a', 0, 1);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(sent).toHaveLength(1);
    expect(generation.rejoin).toMatchObject({ message: type });
  });

  it('are not made for a generation that has ended', async () => {
    add('a', 0, 1);
    membership.end();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(sent).toEqual([]);
  });

  it('are not waited for by who leaves while Kafka is away', async () => {
    answers.push(() => Promise.reject(new Error('away')));
    add('a', 0, 1);
    closing.abort();
    await vi.advanceTimersByTimeAsync(1);
    await commits.flush();
    expect(sent).toHaveLength(1);
  });
});
