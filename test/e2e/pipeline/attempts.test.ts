import { describe, expect, it } from 'vitest';
import { judge, type Evidence, type RecordedAttempt } from './attempts.js';
import type { ReceivedCall } from './receivers.js';

const attempt = (notificationId: string, startedAt: number, durationMs: number, outcome = 'done'): RecordedAttempt => {
  return { notificationId, key: 'kim', startedAt, durationMs, outcome };
};
const call = (notificationId: string, startedAt: number, endedAt: number, status?: number): ReceivedCall => {
  const body = JSON.stringify({ data: { notificationId } });
  return { path: '/kim', headers: {}, body, startedAt, endedAt, status };
};
/** Two that went well, the first at the second try; the first try was given up. */
const WELL: Evidence = {
  accepted: new Map([['kim', ['a', 'b']]]),
  attempts: [attempt('a', 100, 400.9, 'timeout'), attempt('b', 500, 20.2), attempt('a', 700, 9.1)],
  calls: [call('a', 103, 501), call('b', 502, 519, 204), call('a', 702, 708, 204)],
  timeoutMs: 400,
  kills: [],
};
const NOTHING = { problems: [], unrecorded: [], ignored: [] };
const well = (changed: Partial<Evidence>) => judge({ ...WELL, ...changed });

describe('the judge of attempts', () => {
  it('has nothing to say when all is well', () => {
    expect(well({})).toEqual(NOTHING);
  });

  it('does not mind when a receiver notes late what its caller has given up, or never', () => {
    const [, b, a] = WELL.calls;
    for (const late of [call('a', 103, 780), call('a', 506, 790), call('a', 103, 300, 204), call('a', 703, 707, 204)])
      expect(well({ calls: [b!, a!, late] })).toEqual(NOTHING);
    expect(well({ calls: [b!, a!] })).toEqual(NOTHING);
  });

  it('does not mind several in the same millisecond, of which the shorter was not the first', () => {
    const attempts = [attempt('a', 100, 0.3), attempt('b', 100, 0.2), attempt('c', 101, 0.3)];
    const calls = [call('a', 100, 100, 204), call('b', 100, 101, 204), call('c', 101, 102, 204)];
    expect(well({ accepted: new Map([['kim', ['a', 'b', 'c']]]), attempts, calls })).toEqual(NOTHING);
  });

  it('tells of calls that were given up although they were answered soon', () => {
    const [, b, a] = WELL.calls;
    const soon = call('a', 103, 299, 204);
    expect(well({ calls: [b!, a!, soon] })).toEqual({ ...NOTHING, ignored: [soon] });
  });

  it('finds attempts that overlap, by the records', () => {
    const [timeout, , again] = WELL.attempts;
    const { problems } = well({ attempts: [timeout!, attempt('b', 499, 21), again!] });
    expect(problems).toEqual([expect.stringContaining('overlap')]);
  });

  it('finds first attempts out of order, by the records', () => {
    const attempts = [attempt('b', 60, 20), attempt('a', 100, 400, 'timeout'), attempt('a', 700, 9)];
    const { problems } = well({ attempts, calls: [call('b', 61, 79, 204), ...WELL.calls.filter((_, n) => n !== 1)] });
    expect(problems).toEqual([expect.stringContaining('b was first attempted 40 ms before a')]);
  });

  it.each([
    ['that began before the attempt', call('b', 499, 519, 204)],
    ['that was answered when the next had started', call('b', 502, 701, 204)],
    ['that was answered otherwise', call('b', 502, 519, 503)],
    ['of another', call('c', 502, 519, 204)],
  ])('finds an answer that was got by no call but one %s', (_, other) => {
    const { problems } = well({ calls: [WELL.calls[0]!, other, WELL.calls[2]!] });
    expect(problems).toContainEqual(expect.stringContaining('nobody gave'));
  });

  it('counts calls that no attempt tells of, and takes them for attempts up to the kill', () => {
    const [first, b, a] = WELL.calls;
    const lost = call('b', 530, 640);
    expect(well({ calls: [first!, b!, lost, a!], kills: [600] })).toEqual({ ...NOTHING, unrecorded: [lost] });
    const during = call('b', 704, 790);
    const { problems, unrecorded } = well({ calls: [first!, b!, a!, during], kills: [750] });
    expect([problems, unrecorded]).toEqual([[expect.stringContaining('overlap')], [during]]);
    const open = well({ calls: [first!, b!, call('b', 530, 705), a!], kills: [703] });
    expect(open.problems).toEqual([expect.stringContaining('overlap')]);
  });

  it('finds an order that only calls of a killed process tell of', () => {
    const attempts = [attempt('a', 700, 9), attempt('b', 800, 9)];
    const calls = [call('b', 300, 350), call('a', 702, 708, 204), call('b', 801, 808, 204)];
    const { problems } = well({ attempts, calls, kills: [340] });
    expect(problems).toEqual([expect.stringContaining('b was first attempted 400 ms before a')]);
  });

  it('takes no cut connection, and nothing that is not told, for the reason of a call that was answered', () => {
    const attempts = [attempt('a', 100, 20, 'connection_reset'), ...WELL.attempts.slice(1)];
    const [, b, a] = WELL.calls;
    expect(well({ attempts, calls: [call('a', 105, 119), b!, a!] }).unrecorded).toEqual([]);
    expect(well({ attempts, calls: [call('a', 105, 119, 204), b!, a!] }).unrecorded).toHaveLength(1);
  });
});
