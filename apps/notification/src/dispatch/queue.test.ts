import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LeasedDelivery } from '../ledger/delivery.js';
import { leased } from '../testing/leased.js';
import { DeliveryQueue } from './queue.js';

describe('DeliveryQueue', () => {
  it('starts the deliveries of one key and channel one after the other, in the order they came', () => {
    const queue = new DeliveryQueue();
    const [first, second] = [leased({ key: 'a' }), leased({ key: 'a' })];
    queue.add(first);
    queue.add(second);
    expect(queue.take()).toBe(first);
    expect(queue.take()).toBeUndefined();
    queue.finish(first);
    expect(queue.take()).toBe(second);
  });

  it('does not let one key wait for another', () => {
    const queue = new DeliveryQueue();
    queue.add(leased({ key: 'slow' }));
    queue.add(leased({ key: 'slow' }));
    queue.add(leased({ key: 'other' }));
    expect([queue.take()?.key, queue.take()?.key]).toEqual(['slow', 'other']);
  });

  it('gives urgent work 16 of 21 starts while bulk still moves', () => {
    const queue = new DeliveryQueue();
    for (let i = 0; i < 210; i++) {
      for (const priority of ['bulk', 'normal', 'urgent'] as const)
        queue.add(leased({ key: `${priority}${i}`, priority }));
    }
    const starts = Array.from({ length: 210 }, () => queue.take()?.priority);
    const count = (priority: string): number => starts.filter((each) => each === priority).length;
    expect([count('urgent'), count('normal'), count('bulk')]).toEqual([160, 40, 10]);
  });

  it('takes out what waits of a shard and leaves the rest in order', () => {
    const queue = new DeliveryQueue();
    const running = leased({ key: 'a', shard: 1 });
    const gone = leased({ key: 'a', shard: 1 });
    const stays = leased({ key: 'b', shard: 2 });
    for (const delivery of [running, gone, stays]) queue.add(delivery);
    queue.take();
    expect(queue.remove(1)).toEqual([gone]);
    queue.finish(running);
    expect(queue.take()).toBe(stays);
    expect(queue.take()).toBeUndefined();
    expect(queue.waiting).toBe(0);
  });

  it('starts no more of a channel than are of use to it, and leaves the rest to the others', () => {
    const queue = new DeliveryQueue((channel) => (channel === 'email' ? 2 : Infinity));
    const mails = Array.from({ length: 5 }, (_, n) => leased({ key: `m${n}`, channel: 'email' }));
    const hooks = Array.from({ length: 3 }, (_, n) => leased({ key: `h${n}`, channel: 'webhook' }));
    for (const delivery of [...mails, ...hooks]) queue.add(delivery);
    const started = Array.from({ length: 8 }, () => queue.take()?.channel);
    expect(started.filter((channel) => channel === 'email')).toHaveLength(2);
    expect(started.filter((channel) => channel === 'webhook')).toHaveLength(3);
    queue.finish(mails[0]!);
    expect(queue.take()).toBe(mails[2]);
  });

  it('refuses to finish what does not run', () => {
    expect(() => new DeliveryQueue().finish(leased({}))).toThrow(/was not running/);
  });

  it('keeps its promises under any interleaving', () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('add' as const),
          key: fc.integer({ min: 0, max: 4 }),
          priority: fc.constantFrom('urgent' as const, 'normal' as const, 'bulk' as const),
          shard: fc.integer({ min: 0, max: 1 }),
        }),
      },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('take' as const) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat(10) }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('remove' as const), shard: fc.integer({ min: 0, max: 1 }) }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const queue = new DeliveryQueue();
        const waiting = new Map<string, LeasedDelivery[]>();
        const running: LeasedDelivery[] = [];
        for (const each of steps) {
          if (each.kind === 'add') {
            const delivery = leased({ key: `k${each.key}`, priority: each.priority, shard: each.shard });
            waiting.set(delivery.key, [...(waiting.get(delivery.key) ?? []), delivery]);
            queue.add(delivery);
          } else if (each.kind === 'take') {
            const delivery = queue.take();
            const startable = [...waiting].filter(
              ([key, line]) => line.length > 0 && !running.some((r) => r.key === key),
            );
            // Work-conserving: something startable is always started.
            expect(delivery === undefined).toBe(startable.length === 0);
            if (!delivery) continue;
            expect(running.some(({ key }) => key === delivery.key)).toBe(false);
            expect(waiting.get(delivery.key)?.shift()).toBe(delivery);
            running.push(delivery);
          } else if (each.kind === 'finish') {
            const [delivery] = running.splice(each.which % Math.max(1, running.length), 1);
            if (delivery) queue.finish(delivery);
          } else {
            const expected = [...waiting.values()].flat().filter(({ shard }) => shard === each.shard).length;
            expect(queue.remove(each.shard)).toHaveLength(expected);
            for (const [key, line] of waiting)
              waiting.set(
                key,
                line.filter(({ shard }) => shard !== each.shard),
              );
          }
          expect(queue.waiting).toBe([...waiting.values()].flat().length);
          expect(queue.running).toBe(running.length);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
