/**
 * Loaded before the notification service, the same build that ships: its channel `log` then takes as long as a provider would,
 * calls are counted with their order by recipient, and the parent can hold the intake back while it fills Kafka.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeliveryAttempt, Outcome } from '../../../../apps/notification/src/channels/provider.js';

const root = process.env['BENCH_NOTIFICATION']!;
const { LogProvider } = (await import(`${root}/apps/notification/src/channels/log/provider.js`)) as {
  LogProvider: { prototype: { deliver(attempt: DeliveryAttempt): Promise<Outcome> } };
};
const { KafkaBatchStrategy } = (await import(`${root}/libs/kafka/src/index.js`)) as {
  KafkaBatchStrategy: { prototype: { listen: (...args: unknown[]) => void } };
};
const { deliveriesTotal } = (await import(`${root}/apps/notification/src/dispatch/metrics.js`)) as {
  deliveriesTotal: { get(): Promise<{ values: { value: number; labels: { result?: string } }[] }> };
};

const { Engine } = (await import(`${root}/apps/notification/src/engine.js`)) as {
  Engine: { prototype: { takeIn: (...args: unknown[]) => Promise<void> } };
};

let delayMs = Number(process.env['BENCH_PROVIDER_MS'] ?? 0);
let calls = 0;
let disorder = 0;
const latest = new Map<string, number>();
const done: Outcome = { kind: 'done' };
/** By number: when the provider was called, milliseconds since 1970. */
let calledAt: [n: number, at: number][] | undefined;

LogProvider.prototype.deliver = async ({ recipient, content }) => {
  const n = Number(content.subject);
  calls++;
  // Numbers of a recipient grow, unless order was broken or one came twice.
  if (n <= (latest.get(recipient.id) ?? -1)) disorder++;
  latest.set(recipient.id, n);
  calledAt?.push([n, performance.timeOrigin + performance.now()]);
  if (delayMs > 0) await sleep(delayMs);
  return done;
};

let strategy: { pause(): void; resume(): void } | undefined;
KafkaBatchStrategy.prototype.listen = new Proxy(KafkaBatchStrategy.prototype.listen, {
  apply(listen, self: { pause(): void; resume(): void }, args) {
    strategy = self;
    return Reflect.apply(listen, self, args);
  },
});

let begun = true;
Engine.prototype.takeIn = new Proxy(Engine.prototype.takeIn, {
  apply(takeIn, self: object, args) {
    if (!begun) process.send!({ begun: true });
    begun = true;
    return Reflect.apply(takeIn, self, args);
  },
});

async function delivered(): Promise<number> {
  const { values } = await deliveriesTotal.get();
  return values.filter(({ labels }) => labels.result === 'delivered').reduce((sum, { value }) => sum + value, 0);
}

async function until(target: number): Promise<void> {
  while ((await delivered()) < target) await sleep(10);
}

interface Asked {
  readonly do: 'pause' | 'resume' | 'delay' | 'until' | 'order' | 'time';
  readonly ms?: number;
  readonly target?: number;
}

async function answer(asked: Asked): Promise<object> {
  if (asked.do === 'pause') {
    strategy?.pause();
    return { paused: await delivered() };
  }
  if (asked.do === 'delay') {
    delayMs = asked.ms ?? 0;
    return { delayed: true };
  }
  if (asked.do === 'resume') {
    begun = false;
    strategy?.resume();
    return { resumed: true };
  }
  if (asked.do === 'until') {
    await until(asked.target ?? 0);
    return { done: await delivered() };
  }
  if (asked.do === 'time') {
    const times = calledAt ?? [];
    calledAt = [];
    return { times };
  }
  const told = { calls, disorder };
  calls = 0;
  disorder = 0;
  latest.clear();
  return { order: told };
}

process.on('message', (asked: Asked) => {
  void answer(asked).then((told) => process.send!(told));
});
// The channel alone must not keep a service from ending.
process.channel?.unref();
