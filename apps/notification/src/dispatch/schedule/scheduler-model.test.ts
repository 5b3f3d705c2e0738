import assert from 'node:assert/strict';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Priority } from '@bongsu/contracts';
import { YieldingWindow } from '@bongsu/lanes';
import type { Provider } from '../../channels/provider.js';
import type { LeasedDelivery } from '../../ledger/delivery.js';
import { leased } from '../../testing/leased.js';
import { ceilingOf, type Gate } from './gate.js';
import { Gates } from './gates.js';
import { Scheduler } from './scheduler.js';

const CONCURRENCY = 20;
const EMAIL_LIMIT = 2;
const RATE = 4;

const deliver: Provider['deliver'] = () => Promise.resolve({ kind: 'done' });
const PROVIDERS: Record<string, Provider> = {
  log: { name: 'log', channel: 'log', deliver },
  email: { name: 'email', channel: 'email', concurrency: EMAIL_LIMIT, deliver },
  webhook: { name: 'webhook', channel: 'webhook', deliver, destination: ({ webhook }) => webhook?.url ?? '' },
};

/** What is true of the system, written down in the plainest way: lists, and no cleverness. */
class Model {
  now = 1_000_000;
  readonly waiting: LeasedDelivery[] = [];
  readonly running: LeasedDelivery[] = [];
  /** Finished, and not yet recorded. */
  unsettled: LeasedDelivery[] = [];
  readonly yielding = new YieldingWindow(CONCURRENCY);
  readonly starts = new Map<Gate, number[]>();
  readonly gates = new Gates(({ name }) => (name === 'log' ? { ratePerSecond: RATE } : {}));
  readonly subject = new Scheduler({
    concurrency: CONCURRENCY,
    now: () => this.now,
    destinationOf: ({ channel, request }) => PROVIDERS[channel]!.destination?.(request.recipient) ?? '',
    gateOf: ({ channel, destination, tenant }) => this.gates.of(PROVIDERS[channel]!, destination, tenant),
  });

  gateOf({ channel, request }: LeasedDelivery): Gate {
    const provider = PROVIDERS[channel]!;
    return this.gates.of(provider, provider.destination?.(request.recipient) ?? '', request.tenant);
  }

  /** Slots that a lane may still take. */
  free(priority: Priority): number {
    const inUse = [...this.running, ...this.unsettled];
    const free = ceilingOf(CONCURRENCY, priority) - inUse.length;
    const yielding = priority === 'bulk' ? this.yielding.ceiling(this.now) : undefined;
    return Math.min(free, (yielding ?? Infinity) - inUse.filter((other) => other.priority === 'bulk').length);
  }

  /** Whether anything at all could start, by the rules alone. */
  startable(isOpen: ReadonlySet<LeasedDelivery>): LeasedDelivery[] {
    return this.waiting.filter((delivery, i) => {
      const { channel, key, priority } = delivery;
      const isSame = (other: LeasedDelivery): boolean => other.key === key && other.channel === channel;
      if (this.running.some(isSame)) return false;
      if (this.waiting.slice(0, i).some((other) => isSame(other) && other.priority === priority)) return false;
      const gate = this.gateOf(delivery);
      const here = this.running.filter((other) => this.gateOf(other) === gate).length;
      if (channel === 'email' && here >= ceilingOf(EMAIL_LIMIT, priority)) return false;
      return isOpen.has(delivery) && this.free(priority) > (here < 1 ? 0 : 1);
    });
  }

  take(): void {
    const isOpen = new Set(this.waiting.filter((delivery) => this.gateOf(delivery).opensAt <= this.now));
    const started = this.subject.take();
    for (const { delivery } of this.subject.takeDeferred()) {
      assert.ok(delivery.attempts > 0);
      this.waiting.splice(this.waiting.indexOf(delivery), 1);
    }
    const could = this.startable(isOpen);
    // Work-conserving: what could start is started, and nothing else.
    if (!started) {
      assert.deepEqual(could, []);
      return;
    }
    assert.ok(could.includes(started.delivery));
    this.waiting.splice(this.waiting.indexOf(started.delivery), 1);
    this.running.push(started.delivery);
    const { priority, attempts, request } = started.delivery;
    if (priority === 'urgent' && attempts === 0) {
      const bulk = [...this.running, ...this.unsettled].filter((other) => other.priority === 'bulk').length;
      this.yielding.sample(this.now - Date.parse(request.acceptedAt), this.now, bulk);
    }
    const gate = this.gateOf(started.delivery);
    const times = [...(this.starts.get(gate) ?? []), this.now];
    this.starts.set(gate, times);
    if (gate.provider.name === 'log') {
      // In any second no more than the rate and what may come at once.
      assert.ok(times.filter((at) => at > this.now - 1000).length <= 2 * RATE);
    }
  }
}

const shape = fc.record({
  key: fc.integer({ min: 0, max: 9 }).map((n) => `k${n}`),
  tenant: fc.constantFrom('a', 'b', 'c'),
  priority: fc.constantFrom('urgent' as const, 'normal' as const, 'bulk' as const),
  shard: fc.integer({ min: 0, max: 1 }),
  channel: fc.constantFrom('log' as const, 'email' as const, 'webhook' as const),
  url: fc.constantFrom('free', 'shut'),
  attempts: fc.constantFrom(0, 0, 0, 1),
});

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('add' as const), shape }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('take' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(1, 50, 100, 250, 1000, 9000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('shut' as const), ms: fc.constantFrom(100, 5000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), shard: fc.integer({ min: 0, max: 1 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function play(model: Model, each: Step): void {
  const { subject, waiting, running } = model;
  if (each.kind === 'add') {
    const { tenant, url, key, ...rest } = each.shape;
    const one = leased({ ...rest, key: `${tenant}/${key}` });
    const delivery = { ...one, request: { ...one.request, tenant, recipient: { id: key, webhook: { url } } } };
    waiting.push(delivery);
    subject.add(delivery);
  } else if (each.kind === 'take') model.take();
  else if (each.kind === 'finish') {
    const [delivery] = running.splice(each.which % Math.max(1, running.length), 1);
    if (!delivery) return;
    subject.finish(delivery);
    model.unsettled.push(delivery);
  } else if (each.kind === 'settle') {
    subject.release(model.unsettled);
    model.unsettled = [];
  } else if (each.kind === 'time') {
    model.now += each.ms;
    if (subject.opensNext <= model.now) subject.wake();
  } else if (each.kind === 'shut') {
    model.gates.of(PROVIDERS['webhook']!, 'shut', 'a').close(model.now + each.ms);
  } else {
    const gone = subject.removeIf(({ shard }) => shard === each.shard);
    const expected = waiting.filter(({ shard }) => shard === each.shard);
    expect(new Set(gone)).toEqual(new Set(expected));
    for (const one of expected) waiting.splice(waiting.indexOf(one), 1);
  }
}

it('keeps its promises under any interleaving', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 250, size: 'max' }), (steps) => {
      const model = new Model();
      for (const each of steps) {
        play(model, each);
        expect([model.subject.waiting, model.subject.running]).toEqual([model.waiting.length, model.running.length]);
      }
      drain(model);
    }),
    { numRuns: 3000 },
  );
}, 120_000);

/** Everything ends: with time, and with calls that finish, nothing is left behind. */
function drain(model: Model): void {
  for (let round = 0; model.waiting.length + model.running.length > 0; round++) {
    expect(round).toBeLessThan(2000);
    play(model, { kind: 'time', ms: 1000 });
    for (let i = 0; i < CONCURRENCY; i++) model.take();
    while (model.running.length > 0) play(model, { kind: 'finish', which: 0 });
    play(model, { kind: 'settle' });
  }
}
