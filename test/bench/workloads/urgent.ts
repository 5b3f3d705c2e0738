import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { GateError } from '../arm.ts';
import { applyTopics, type Bench } from '../bench.ts';
import { median, quantile } from '../quantile.ts';
import { KEY, metric, start, type Running } from '../services.ts';

/** How long urgent notifications are sent in each phase, seconds, and how many in each. */
const SECONDS = 20;
const PER_SECOND = 20;
const BACKLOG = 200_000;
/** A backlog is worked off between two rounds, which takes longer than a round. */
const MOST_ROUNDS = 3;
/** How long the provider takes for a bulk notification, milliseconds. */
const PROVIDER_MS = 20;
/** How long a backlog may take to be worked off, milliseconds. */
const WORKED_OFF_MS = 300_000;

/** When each urgent notification was sent and answered, and when its provider was called; by its number. */
const sentAt = new Map<number, number>();
const acceptedAt = new Map<number, number>();
const calledAt = new Map<number, number>();
/** Of bulk notifications. */
const bulk = { accepted: 0, calls: 0 };

/** The provider of both lanes: answers urgent ones at once and bulk ones after a while. */
function provider(): Server {
  const receiver = createServer((request, response) => {
    const [, lane, n] = (request.url ?? '').split('/');
    request.resume();
    if (lane === 'bulk') {
      bulk.calls++;
      setTimeout(() => response.writeHead(204).end(), PROVIDER_MS);
      return;
    }
    calledAt.set(Number(n), performance.now());
    response.writeHead(204).end();
  });
  receiver.keepAliveTimeout = 60_000;
  return receiver;
}

/**
 * How late urgent notifications are behind a backlog of bulk, compared with none, in turns; each goes to a webhook of this
 * machine. The ratio is the median of the rounds'.
 */
export async function urgentBehindBulk(bench: Bench, rounds: number): Promise<Record<string, number>> {
  const { stack, size, say } = bench;
  const receiver = provider();
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  applyTopics(stack, {});
  const settings = {
    WEBHOOK_SIGNING_SECRET: 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=',
    WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  };
  const seconds = Math.max(5, SECONDS * size);
  const services: Running[] = [];
  try {
    const api = await start('api', stack, settings);
    services.push(api);
    const notification = await start('notification', stack, settings);
    services.push(notification);
    const rig = { api, notification, url, seconds, backlog: Math.max(60_000, BACKLOG * size), say };
    await urgent(rig, 0, 3);
    const all: Lateness[] = [];
    for (let i = 0; i < Math.min(rounds, MOST_ROUNDS); i++) {
      if (i > 0) await workedOff();
      all.push(await round(rig, (i + 1) * 10_000));
    }
    return {
      'urgent p99 idle, due → called, ms': median(all.map(({ idle }) => idle)),
      'urgent p99 behind the backlog, ms': median(all.map(({ loaded }) => loaded)),
      'urgent backlog of bulk': rig.backlog,
      'urgent p99 ratio': median(all.map(({ idle, loaded }) => loaded / idle)),
    };
  } finally {
    for (const { child } of services) child.kill('SIGKILL');
    receiver.closeAllConnections();
    receiver.close();
  }
}

interface Rig {
  readonly api: Running;
  readonly notification: Running;
  readonly url: string;
  readonly seconds: number;
  readonly backlog: number;
  readonly say: Bench['say'];
}

/** The 99th percentile until the provider was called, milliseconds. */
interface Lateness {
  readonly idle: number;
  readonly loaded: number;
}

/** @param first number of its urgent notifications */
async function round(rig: Rig, first: number): Promise<Lateness> {
  const idle = await urgent(rig, first, rig.seconds);
  const accepted = await flood(rig);
  const loaded = await urgent(rig, first + 5_000, rig.seconds);
  const left = bulk.accepted - bulk.calls;
  tell(rig.say, 'idle', idle);
  tell(rig.say, `behind ${accepted.toLocaleString('en')} bulk`, loaded);
  const waiting = await metric(rig.notification, /^notification_due_backlog (\d+)/gm);
  rig.say(`  bulk left at the end ${left}, ${waiting} of them waiting in the ledger`);
  if (left <= 0) throw new GateError('The backlog was gone before the measurement ended: use a larger one');
  return { idle: quantile(idle.called, 0.99), loaded: quantile(loaded.called, 0.99) };
}

/** Resolves when the backlog is gone, and what follows it has had a moment. */
async function workedOff(): Promise<void> {
  for (let waited = 0; bulk.calls < bulk.accepted; waited += 100) {
    if (waited > WORKED_OFF_MS) throw new GateError(`${bulk.accepted - bulk.calls} of bulk were not delivered`);
    await sleep(100);
  }
  await sleep(10_000);
}

/** Sends urgent ones, each at its time whether or not those before were answered; gives the times, ms. */
async function urgent({ api, url }: Rig, first: number, seconds: number): Promise<Times> {
  const started = performance.now();
  const count = seconds * PER_SECOND;
  const posts = Array.from({ length: count }, async (_, i) => {
    await sleep(Math.max(0, started + (i * 1000) / PER_SECOND - performance.now()));
    const n = first + i;
    sentAt.set(n, performance.now());
    const answer = await post(api, '/v1/notifications', 'application/json', JSON.stringify(body(url, 'urgent', n)));
    acceptedAt.set(n, performance.now());
    if (answer.status !== 202) throw new Error(`An urgent notification was answered ${answer.status}`);
  });
  await Promise.all(posts);
  const last = first + count - 1;
  for (let waited = 0; !calledAt.has(last) && waited < 30_000; waited += 100) await sleep(100);
  const times = (until: Map<number, number>): number[] =>
    Array.from({ length: count }, (_, i) => (until.get(first + i) ?? Infinity) - sentAt.get(first + i)!).sort(
      (a, b) => a - b,
    );
  return { accepted: times(acceptedAt), called: times(calledAt) };
}

/** From sending, milliseconds, sorted: until the answer 202, and until the provider was called. */
interface Times {
  readonly accepted: readonly number[];
  readonly called: readonly number[];
}

/** Puts the backlog into Kafka; gives how many were accepted. */
async function flood({ api, url, backlog }: Rig): Promise<number> {
  const page = 10_000;
  let accepted = 0;
  for (let from = 0; from < backlog; from += page) {
    const lines = Array.from({ length: page }, (_, i) => JSON.stringify(body(url, 'bulk', from + i)));
    const answer = await post(api, '/v1/notifications/batch', 'application/x-ndjson', lines.join('\n'));
    accepted += (await answer.text()).split('"id"').length - 1;
  }
  bulk.accepted += accepted;
  return accepted;
}

const body = (url: string, priority: string, n: number): object => ({
  recipient: { id: `${priority}-${n % 10_000}`, webhook: { url: `${url}/${priority}/${n}` } },
  channels: ['webhook'],
  priority,
  content: { subject: 'Benchmark', body: 'The beacon is lit on the southern ridge, and the next one answers.' },
});

const post = (api: Running, path: string, type: string, text: string): Promise<Response> =>
  fetch(`http://127.0.0.1:${api.port}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': type },
    body: text,
  });

function tell(say: Bench['say'], name: string, { accepted, called }: Times): void {
  for (const [what, times] of [
    ['answered', accepted],
    ['called', called],
  ] as const) {
    const [p50, p90, p99, worst] = [0.5, 0.9, 0.99, 1].map((share) => quantile(times, share).toFixed(1));
    say(`  ${name.padEnd(22)} urgent ${what.padEnd(8)}: p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms, max ${worst} ms`);
  }
}
