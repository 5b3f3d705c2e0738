import type { Priority } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import type { Provider } from '../../channels/provider.js';
import type { LeasedDelivery } from '../../ledger/delivery.js';
import { leased } from '../../testing/leased.js';
import type { GateLimits } from './gate.js';
import { Gates } from './gates.js';
import { Scheduler } from './scheduler.js';

const provider = (channel: 'log' | 'email' | 'webhook', given: Partial<Provider> = {}): Provider => ({
  name: channel,
  channel,
  deliver: () => Promise.resolve({ kind: 'done' }),
  ...given,
});
const WEBHOOK = provider('webhook', { destination: ({ webhook }) => webhook?.url ?? '' });

/** A scheduler with a clock that the test moves. */
function scheduler(limits: Record<string, GateLimits> = {}, concurrency = 1000) {
  const clock = { now: 1_000_000 };
  const gates = new Gates(({ name }, destination) => limits[`${name}/${destination}`] ?? limits[name] ?? {});
  const providers = { log: provider('log'), email: provider('email'), webhook: WEBHOOK };
  const of = (channel: string): Provider => providers[channel as 'log'];
  const subject = new Scheduler({
    concurrency,
    now: () => clock.now,
    destinationOf: ({ channel, request }) => of(channel).destination?.(request.recipient) ?? '',
    gateOf: ({ channel, destination, tenant }) => gates.of(of(channel), destination, tenant),
  });
  const takeAll = (): LeasedDelivery[] => {
    const taken: LeasedDelivery[] = [];
    for (let next = subject.take(); next; next = subject.take()) taken.push(next.delivery);
    return taken;
  };
  const end = (delivery: LeasedDelivery): void => {
    subject.finish(delivery);
    subject.release([delivery]);
  };
  return { subject, clock, gates, of, takeAll, end };
}

let serial = 0;
function delivery(given: Partial<LeasedDelivery> & { tenant?: string; url?: string } = {}): LeasedDelivery {
  const { tenant = 'default', url, ...rest } = given;
  const one = leased({ key: `k${serial++}`, ...rest });
  const recipient = url === undefined ? one.request.recipient : { ...one.request.recipient, webhook: { url } };
  return { ...one, request: { ...one.request, tenant, recipient } };
}
const many = (count: number, given: Parameters<typeof delivery>[0] = {}): LeasedDelivery[] =>
  Array.from({ length: count }, () => delivery(given));
const count = <T>(all: readonly T[], matches: (one: T) => boolean): number => all.filter(matches).length;

describe('keys', () => {
  it('run one at a time, in the order they came, and do not wait for one another', () => {
    const { subject, end } = scheduler();
    const [first, second, other] = [delivery({ key: 'a' }), delivery({ key: 'a' }), delivery({ key: 'b' })];
    for (const each of [first, second, other]) subject.add(each);
    expect([subject.take()?.delivery, subject.take()?.delivery, subject.take()]).toEqual([first, other, undefined]);
    end(first);
    expect(subject.take()?.delivery).toBe(second);
  });

  it('let an urgent one pass those that wait in other lanes, and never two at once', () => {
    const { subject, end, takeAll } = scheduler();
    const bulk = many(3, { key: 'a', priority: 'bulk' });
    for (const each of bulk) subject.add(each);
    expect(takeAll()).toEqual([bulk[0]]);
    const urgent = delivery({ key: 'a', priority: 'urgent' });
    subject.add(urgent);
    expect(takeAll()).toEqual([]);
    end(bulk[0]!);
    expect(takeAll()).toEqual([urgent]);
    end(urgent);
    expect(takeAll()).toEqual([bulk[1]]);
  });
});

describe('lanes', () => {
  it('share 16 to 4 to 1', () => {
    const { subject, end } = scheduler({}, 1);
    for (const priority of ['bulk', 'normal', 'urgent'] as const)
      many(210, { priority }).forEach((d) => subject.add(d));
    const starts: Priority[] = [];
    for (let i = 0; i < 210; i++) {
      const { delivery: next } = subject.take()!;
      starts.push(next.priority);
      end(next);
    }
    expect(['urgent', 'normal', 'bulk'].map((lane) => count(starts, (each) => each === lane))).toEqual([160, 40, 10]);
  });

  it('leave room for urgent ones while bulk waits for slots', () => {
    const { subject, takeAll } = scheduler({}, 100);
    many(500, { priority: 'bulk' }).forEach((d) => subject.add(d));
    expect(takeAll()).toHaveLength(90);
    many(50, { priority: 'urgent' }).forEach((d) => subject.add(d));
    // One destination holds 90 already, so the last slots to spare are not for it.
    expect(takeAll()).toHaveLength(5);
    many(50, { priority: 'urgent', channel: 'email' }).forEach((d) => subject.add(d));
    expect(takeAll()).toHaveLength(5);
  });
});

describe('tenants', () => {
  it('take turns: a flood of one does not delay the few of another', () => {
    const { subject, end, takeAll } = scheduler({}, 10);
    many(10_000, { tenant: 'flood' }).forEach((d) => subject.add(d));
    const running = takeAll();
    const few = many(10, { tenant: 'few' });
    few.forEach((d) => subject.add(d));
    const waiting = new Set(few.map(({ id }) => id));
    let starts = 0;
    while (waiting.size > 0) {
      end(running.shift()!);
      for (const each of takeAll()) {
        starts++;
        waiting.delete(each.id);
        running.push(each);
      }
    }
    expect(starts).toBeLessThanOrEqual(21);
  });

  it('are not given more turns for more destinations', () => {
    const { subject, end } = scheduler({}, 1);
    for (let host = 0; host < 100; host++) {
      many(3, { tenant: 'wide', channel: 'webhook', url: `https://h${host}.example` }).forEach((d) => subject.add(d));
    }
    many(50, { tenant: 'narrow', channel: 'webhook', url: 'https://n.example' }).forEach((d) => subject.add(d));
    const tenants: string[] = [];
    for (let i = 0; i < 100; i++) {
      const { delivery: next } = subject.take()!;
      tenants.push(next.request.tenant);
      end(next);
    }
    expect(count(tenants, (tenant) => tenant === 'narrow')).toBe(50);
  });
});

describe('gates', () => {
  it('keep concurrency, and leave the rest of the slots to other destinations', () => {
    const { subject, takeAll, end } = scheduler({ email: { concurrency: 3 } });
    many(10, { channel: 'email' }).forEach((d) => subject.add(d));
    many(5, { channel: 'log' }).forEach((d) => subject.add(d));
    const taken = takeAll();
    expect(['email', 'log'].map((channel) => count(taken, (each) => each.channel === channel))).toEqual([3, 5]);
    end(taken.find(({ channel }) => channel === 'email')!);
    expect(takeAll()).toMatchObject([{ channel: 'email' }]);
  });

  it('keep the rate: a burst of one second, then one at a time', () => {
    const { subject, clock, takeAll } = scheduler({ email: { ratePerSecond: 10 } });
    many(100, { channel: 'email' }).forEach((d) => subject.add(d));
    expect(takeAll()).toHaveLength(10);
    let starts = 0;
    for (let ms = 0; ms < 5000; ms += 10) {
      clock.now += 10;
      if (subject.opensNext <= clock.now) subject.wake();
      starts += takeAll().length;
    }
    expect(starts).toBe(50);
  });

  it('shared by tenants let them take turns, and urgent ones first', () => {
    const { subject, takeAll, end } = scheduler({ email: { concurrency: 1 } });
    for (const tenant of ['a', 'b', 'c']) many(4, { channel: 'email', tenant }).forEach((d) => subject.add(d));
    const tenants: string[] = [];
    for (let [next] = takeAll(); next; [next] = takeAll()) {
      tenants.push(next.request.tenant);
      end(next);
    }
    expect(tenants).toHaveLength(12);
    for (let i = 0; i < 12; i += 3) expect(new Set(tenants.slice(i, i + 3)).size).toBe(3);
  });

  it('stay shut as long as was asked; first attempts wait in order, others in the ledger', () => {
    const { subject, clock, gates, of, takeAll } = scheduler();
    const closed = gates.of(of('webhook'), 'https://a.example', 'default');
    closed.close(clock.now + 30_000);
    const hook = { channel: 'webhook' as const, url: 'https://a.example' };
    const [first, second] = [delivery({ ...hook, key: 'x' }), delivery({ ...hook, key: 'y' })];
    const retry = delivery({ ...hook, attempts: 2 });
    for (const each of [first, second, retry]) subject.add(each);
    subject.add(delivery({ channel: 'webhook', url: 'https://b.example' }));
    expect(takeAll()).toMatchObject([{ request: { recipient: { webhook: { url: 'https://b.example' } } } }]);
    // Reached when its turn in the flow comes.
    expect(subject.opensNext).toBe(clock.now + 30_000);
    clock.now += 30_000;
    subject.wake();
    expect(takeAll()).toEqual([first, second, retry]);
    closed.close(clock.now + 60_000);
    const late = delivery({ ...hook, attempts: 1 });
    subject.add(late);
    expect(takeAll()).toEqual([]);
    expect(subject.takeDeferred()).toEqual([{ delivery: late, until: clock.now + 60_000 }]);
    expect(subject.waiting).toBe(0);
  });

  it('that hang do not hold the slots that others need', () => {
    const { subject, takeAll } = scheduler({}, 100);
    many(500, { channel: 'webhook', url: 'https://hangs.example' }).forEach((d) => subject.add(d));
    const hanging = takeAll().length;
    expect(hanging).toBeLessThanOrEqual(95);
    many(3, { channel: 'webhook', url: 'https://fine.example' }).forEach((d) => subject.add(d));
    expect(takeAll()).toHaveLength(3);
  });
});

it('refuses to finish what does not run', () => {
  expect(() => scheduler().subject.finish(delivery())).toThrow(/was not running/);
});
