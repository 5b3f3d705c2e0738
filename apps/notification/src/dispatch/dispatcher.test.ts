import { createLogger } from '@bongsu/observability';
import { describe, expect, it, vi } from 'vitest';
import type { DeliveryAttempt, Outcome, Provider } from '../channels/provider.js';
import type { LeasedDelivery } from '../ledger/delivery.js';
import type { Decision } from '../settle/decide.js';
import { leased } from '../testing/leased.js';
import { Circuits } from './circuits.js';
import { Gates } from './schedule/gates.js';
import { Dispatcher, type DispatcherOptions } from './dispatcher.js';

const FAULT: Outcome = { kind: 'retry', code: 'http_503', message: 'busy' };
const DONE: Outcome = { kind: 'done' };

/** A provider that answers as the test says, and writes down what it was asked. */
function scripted(name: string, answer: (attempt: DeliveryAttempt, signal: AbortSignal) => Outcome | Promise<Outcome>) {
  const calls: string[] = [];
  const provider: Provider = {
    name,
    channel: 'log',
    deliver: (attempt, signal) => {
      calls.push(attempt.deliveryId);
      return Promise.resolve(answer(attempt, signal));
    },
  };
  return { provider, calls };
}

function dispatcher(providers: Provider[], given: Partial<DispatcherOptions> = {}) {
  const decided: [LeasedDelivery, Decision][] = [];
  const made: Dispatcher = new Dispatcher({
    providers: () => providers,
    circuits: new Circuits(providers),
    endpoints: { isDisabled: () => false, disable: () => undefined },
    concurrency: 10,
    unsettled: () => 0,
    providerTimeoutMs: 200,
    scheduleOf: () => [1000],
    gates: new Gates(() => ({})),
    capacity: 1000,
    mayStart: () => true,
    onDecided: (delivery, decision) => {
      decided.push([delivery, decision]);
      // Recorded at once.
      queueMicrotask(() => made.settled([delivery]));
    },
    logger: createLogger('test', 'silent'),
    random: () => 0.5,
    ...given,
  });
  return { dispatcher: made, decided, statuses: () => decided.map(([, { status }]) => status) };
}

const some = (count: number): LeasedDelivery[] => Array.from({ length: count }, (_, n) => leased({ key: `k${n}` }));

describe('Dispatcher', () => {
  it('starts nothing while the lease is not certain, and goes on when it is', async () => {
    let certain = false;
    const { provider, calls } = scripted('p', () => DONE);
    const { dispatcher: subject, statuses } = dispatcher([provider], { mayStart: () => certain });
    subject.add(some(3));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls).toHaveLength(0);
    certain = true;
    await vi.waitFor(() => expect(statuses()).toEqual(['delivered', 'delivered', 'delivered']));
  });

  it('makes no more calls at once than it may, counting what is not recorded yet', async () => {
    let [running, most, unsettled] = [0, 0, 0];
    const { provider } = scripted('p', async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      return DONE;
    });
    const { dispatcher: subject, decided } = dispatcher([provider], {
      concurrency: 4,
      unsettled: () => unsettled,
      onDecided: (delivery, decision) => {
        unsettled++;
        decided.push([delivery, decision]);
      },
    });
    subject.add(some(12));
    await vi.waitFor(() => expect(unsettled).toBe(4));
    expect([most, decided.length]).toEqual([4, 4]);
    while (unsettled > 0 || subject.size > 0) {
      unsettled = 0;
      subject.settled(decided.splice(0).map(([delivery]) => delivery));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(most).toBe(4);
  });

  // The first outcome is committed and nobody has heard so: its retry is claimed before it is recorded here.
  it('gives both slots back of a delivery that is attempted again before its outcome is recorded', async () => {
    const { provider, calls } = scripted('p', () => FAULT);
    const decided: LeasedDelivery[] = [];
    const onDecided = (delivery: LeasedDelivery) => void decided.push(delivery);
    const { dispatcher: subject } = dispatcher([provider], { concurrency: 2, onDecided });
    const first = leased({});
    subject.add([first]);
    await vi.waitFor(() => expect(decided).toHaveLength(1));
    subject.add([{ ...first, attempts: 1, version: 1 }]);
    await vi.waitFor(() => expect(decided).toHaveLength(2));
    for (const each of decided) subject.settled([each]);
    subject.add(some(2));
    await vi.waitFor(() => expect(calls).toHaveLength(4));
  });

  it('gives a call up after the timeout', async () => {
    const { provider } = scripted(
      'p',
      (_attempt, signal) =>
        new Promise((resolve) =>
          signal.addEventListener('abort', () => resolve({ kind: 'retry', code: 'timeout', message: 'late' })),
        ),
    );
    const { dispatcher: subject, decided } = dispatcher([provider]);
    subject.add([leased({})]);
    await vi.waitFor(() => expect(decided).toHaveLength(1));
    expect(decided[0]![1]).toMatchObject({ status: 'retrying', attempt: { error: { code: 'timeout' } } });
  });

  it('calls the next provider at once when the preferred one fails for now, and says so', async () => {
    const [first, second] = [scripted('first', () => FAULT), scripted('second', () => DONE)];
    const { dispatcher: subject, decided } = dispatcher([first.provider, second.provider]);
    subject.add([leased({})]);
    await vi.waitFor(() => expect(decided).toHaveLength(1));
    expect(decided[0]![1]).toMatchObject({
      status: 'delivered',
      attempts: 1,
      attempt: { number: 1, provider: 'second', failover: [{ provider: 'first', code: 'http_503' }] },
    });
  });

  it('does not ask the next provider what the first one refused for good', async () => {
    const [first, second] = [
      scripted('first', () => ({ kind: 'reject', code: 'smtp_550', message: 'no such user' }) as const),
      scripted('second', () => DONE),
    ];
    const { dispatcher: subject, statuses } = dispatcher([first.provider, second.provider]);
    subject.add([leased({})]);
    await vi.waitFor(() => expect(statuses()).toEqual(['rejected']));
    expect(second.calls).toHaveLength(0);
  });

  it('leaves a provider alone whose circuit is open, as long as there is another', async () => {
    const [first, second] = [scripted('first', () => FAULT), scripted('second', () => DONE)];
    const { dispatcher: subject, decided } = dispatcher([first.provider, second.provider], { concurrency: 1 });
    subject.add(some(30));
    await vi.waitFor(() => expect(decided).toHaveLength(30));
    expect([first.calls.length, second.calls.length]).toEqual([10, 30]);
  });

  it('puts a retry off once while every circuit is open, without counting an attempt', async () => {
    const { provider, calls } = scripted('p', () => FAULT);
    const { dispatcher: subject, decided } = dispatcher([provider], { concurrency: 1 });
    subject.add(some(10));
    await vi.waitFor(() => expect(decided).toHaveLength(10));
    subject.add([leased({ key: 'retry', attempts: 1, version: 1 })]);
    await vi.waitFor(() => expect(decided).toHaveLength(11));
    expect(decided[10]![1]).toMatchObject({ status: 'retrying', attempts: 1, postponed: true });
    expect(decided[10]![1].nextAttemptAt!.getTime()).toBeGreaterThan(Date.now() + 3_000);
    expect(calls).toHaveLength(10);
    subject.add([leased({ key: 'again', attempts: 1, version: 1, postponed: true })]);
    await vi.waitFor(() => expect(decided).toHaveLength(12));
    expect(decided[11]![1]).toMatchObject({ status: 'dead', attempts: 2 });
    expect(calls).toHaveLength(11);
  });

  it('does not open a circuit for what is about one recipient or about our rate', async () => {
    const { provider, calls } = scripted('p', () => ({ kind: 'retry', code: 'http_429', message: 'slow down' }));
    const { dispatcher: subject, decided } = dispatcher([provider], { concurrency: 1 });
    subject.add(Array.from({ length: 20 }, (_, n) => leased({ key: `k${n}`, attempts: 1, version: 1 })));
    await vi.waitFor(() => expect(decided).toHaveLength(20));
    expect(calls).toHaveLength(20);
  });

  it('writes nothing about a call that the end of the process cut off, and gives back what had not started', async () => {
    const { provider } = scripted(
      'p',
      (_attempt, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(FAULT))),
    );
    const { dispatcher: subject, decided } = dispatcher([provider], { concurrency: 1, providerTimeoutMs: 60_000 });
    const [running, waiting] = some(2);
    subject.add([running!, waiting!]);
    expect(await subject.stop(20)).toEqual([waiting]);
    expect(decided).toEqual([]);
  });

  it('ends a cancelled one without a call', async () => {
    const { provider, calls } = scripted('p', () => DONE);
    const { dispatcher: subject, statuses } = dispatcher([provider]);
    const delivery = leased({});
    subject.cancel([delivery.notificationId]);
    subject.add([delivery]);
    await vi.waitFor(() => expect(statuses()).toEqual(['cancelled']));
    expect(calls).toEqual([]);
  });

  it('rejects at once what would go to an endpoint that has said that it is gone, and tells of the one that says so', async () => {
    const gone = new Set<string>();
    const disabled: unknown[] = [];
    const endpoints: DispatcherOptions['endpoints'] = {
      isDisabled: (tenant, channel, endpoint) => gone.has(`${tenant} ${channel} ${endpoint}`),
      disable: (each) => {
        disabled.push(each);
        gone.add(`${each.tenant} ${each.channel} ${each.endpoint}`);
      },
    };
    const refusal: Outcome = { kind: 'reject', code: 'http_410', message: 'gone', endpointGone: 'user-1' };
    const { provider, calls } = scripted('p', () => refusal);
    const withEndpoint = { ...provider, endpoint: ({ id }: { id: string }) => id };
    const { dispatcher: subject, decided } = dispatcher([withEndpoint], { endpoints, concurrency: 1 });
    const [first, second] = [leased({}), leased({ attempts: 3, version: 3 })];
    subject.add([first, second]);
    await vi.waitFor(() => expect(decided).toHaveLength(2));
    expect(calls).toEqual([first.id]);
    expect(disabled).toEqual([
      {
        tenant: 'default',
        channel: 'log',
        endpoint: 'user-1',
        deliveryId: first.id,
        calledAt: expect.any(Date) as Date,
      },
    ]);
    expect(decided[0]![1]).toMatchObject({ status: 'rejected', reason: 'http_410', attempts: 1 });
    expect(decided[1]![1]).toEqual({
      status: 'rejected',
      ended: true,
      reason: 'endpoint_disabled',
      attempts: 3,
      nextAttemptAt: null,
    });
  });

  it('treats a provider that throws as a failure for now', async () => {
    const { provider } = scripted('p', () => {
      throw new TypeError('a defect');
    });
    const { dispatcher: subject, decided } = dispatcher([provider]);
    subject.add([leased({})]);
    await vi.waitFor(() => expect(decided).toHaveLength(1));
    expect(decided[0]![1]).toMatchObject({ status: 'retrying', attempt: { error: { code: 'provider_failed' } } });
  });
});
