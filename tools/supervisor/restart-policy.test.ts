import { describe, expect, it } from 'vitest';
import { RestartPolicy } from './restart-policy.ts';

/** A policy with a clock that the test moves. */
function policy(): { readonly policy: RestartPolicy; readonly pass: (ms: number) => void } {
  let now = 0;
  return {
    policy: new RestartPolicy(() => now),
    pass: (ms) => {
      now += ms;
    },
  };
}

describe('when a part that has ended is started again', () => {
  it('is at once the first time, and later each time that it keeps dying, but never after more than 10 s', () => {
    const { policy: restarts, pass } = policy();
    const waits = Array.from({ length: 9 }, () => {
      restarts.ready();
      pass(1_000);
      return restarts.ended();
    });
    expect(waits).toEqual([100, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000]);
  });

  it('is at once again for a part that had recovered', () => {
    const { policy: restarts, pass } = policy();
    restarts.ready();
    for (let deaths = 0; deaths < 6; deaths += 1) restarts.ended();
    restarts.ready();
    pass(30_000);
    expect(restarts.ended()).toBe(100);
  });

  it('counts time only while the part is ready: one that takes long to start has not recovered', () => {
    const { policy: restarts, pass } = policy();
    restarts.ready();
    restarts.ended();
    pass(60_000);
    expect(restarts.ended()).toBe(1_000);
  });

  it('is never for a part that dies three times without having been ready', () => {
    const { policy: restarts } = policy();
    expect([restarts.ended(), restarts.ended(), restarts.ended()]).toEqual([100, 1_000, 'give up']);
  });

  it('is always for a part that was ready once', () => {
    const { policy: restarts } = policy();
    restarts.ready();
    for (let deaths = 0; deaths < 100; deaths += 1) expect(restarts.ended()).not.toBe('give up');
  });
});
