/**
 * What tracing costs: processor time of the span work of one notification (request, send, process, attempt, call, fact), with
 * tracing off, on for a trace that is not sampled, and on for one that is, exported by OTLP to a process that throws it away.
 * `node test/bench/tracing.ts [notifications]`; the services' code as it is built.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildApps } from '../../tools/build/build-apps.ts';

const COUNT = Number(process.argv[2] ?? 20_000);
const BATCH = 100;
/** Seven of each notification, and one of each batch that is processed. */
const SPANS_OF_BATCH = 7 * BATCH + 2;
const DIST = join(import.meta.dirname, '..', '..', 'apps', 'notification', 'dist');

await buildApps();
const [tracingLib, sends, processes, attempts, contracts, observability, config] = await Promise.all([
  load<typeof import('../../libs/tracing/src/index.js')>('libs/tracing/src/index.js'),
  load<typeof import('../../libs/kafka/src/producer/send-spans.js')>('libs/kafka/src/producer/send-spans.js'),
  load<typeof import('../../libs/kafka/src/consumer/process-spans.js')>('libs/kafka/src/consumer/process-spans.js'),
  load<typeof import('../../apps/notification/src/dispatch/attempt-spans.js')>(
    'apps/notification/src/dispatch/attempt-spans.js',
  ),
  load<typeof import('../../libs/contracts/src/index.js')>('libs/contracts/src/index.js'),
  load<typeof import('../../libs/observability/src/index.js')>('libs/observability/src/index.js'),
  load<typeof import('../../libs/config/src/index.js')>('libs/config/src/index.js'),
]);
const { tracing } = tracingLib;
const { encodeEvent, newNotificationId, NOTIFICATION_REQUESTED, TOPICS } = contracts;
const VALUE = { body: 'The beacon is lit.' };

function load<T>(path: string): Promise<T> {
  return import(join(DIST, path)) as Promise<T>;
}

type Trace = import('../../libs/contracts/src/index.js').TraceContext;
type Outgoing = import('../../libs/contracts/src/index.js').OutgoingRecord;

function recordOf(id: string, trace: Trace): Outgoing {
  const event = { id, source: '/bench', type: NOTIFICATION_REQUESTED, subject: id, time: '2026-11-21T00:00:00Z' };
  return encodeEvent(TOPICS.requests.normal, 'default/user', { ...event, data: VALUE, trace });
}

const TO = { prefix: '', clientId: 'bench' };
let offset = 0n;
const deliver = (records: readonly Outgoing[]) => {
  sent.push(...records);
  return Promise.resolve(records.map(({ topic }) => ({ topic, partition: 0, offset: offset++ })));
};
let sent: Outgoing[] = [];
const send = (records: readonly Outgoing[]) =>
  tracing.isOn ? sends.sendTraced(records, TO, deliver) : deliver(records);

function processed(records: readonly Outgoing[]): void {
  const items = records.map(({ topic, key, value, headers }) => {
    const list = Object.entries(headers).map(([name, text]): [string, Buffer] => [name, Buffer.from(text)]);
    const raw = { topic, partition: 0, offset: offset++, timestamp: 0n, key: Buffer.from(key), value, headers: list };
    return { raw, event: undefined };
  });
  const spans = tracing.isOn ? processes.processSpans(items, { topic: 't', group: 'g', partition: 0 }) : undefined;
  spans?.done(new Map());
}

/** One batch of notifications all the way. */
async function work(parent: Trace): Promise<void> {
  for (let n = 0; n < BATCH; n++) {
    const request = tracing.isOn ? tracing.start('POST /v1/notifications', { kind: 'server', parent }) : undefined;
    await send([recordOf(newNotificationId(), request?.context ?? parent)]);
    request?.set({ 'http.response.status_code': 202 });
    request?.end();
  }
  const requests = sent;
  sent = [];
  processed(requests);
  const facts = requests.map(({ headers }) => {
    const trace = contracts.readTraceContext(headers['traceparent'])!;
    const delivery = { id: 'd', notificationId: 'n', channel: 'webhook', priority: 'normal', attempts: 0, trace };
    const span = attempts.attemptSpan(delivery as unknown as Parameters<typeof attempts.attemptSpan>[0]);
    const call = attempts.callSpan(span.context, 'webhook', 'example.org:443');
    attempts.endSpan(call, { kind: 'done' });
    attempts.endSpan(span, { kind: 'done' });
    return recordOf(headers['ce_subject']!, span.context ?? trace);
  });
  await send(facts);
  processed(sent);
  sent = [];
}

async function exportedSpans(): Promise<number> {
  const text = (await observability.registry.getSingleMetric('tracing_spans_total')?.get())?.values ?? [];
  return text.filter(({ labels }) => labels['result'] === 'exported').reduce((sum, { value }) => sum + value, 0);
}

async function exported(least: number): Promise<void> {
  while ((await exportedSpans()) < least) await sleep(5);
}

/** Milliseconds of processor time per thousand notifications. */
async function measure(sampled: boolean): Promise<number> {
  const parent = { traceparent: `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-${sampled ? '01' : '00'}` };
  const first = await exportedSpans();
  for (let n = 0; n < 10; n++) await work(parent);
  // All of them: the last ones wait for company first.
  if (tracing.isOn && sampled) await exported(first + 10 * SPANS_OF_BATCH);
  const already = await exportedSpans();
  const waits = tracing.isOn && sampled;
  const before = process.cpuUsage();
  for (let done = 0; done < COUNT; done += BATCH) {
    await work(parent);
    // What is dropped costs nothing: so never more than the queue holds.
    const least = already + (done / BATCH) * SPANS_OF_BATCH - 4_000;
    if (waits) await exported(least);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / COUNT;
}

const collector = spawn(
  process.execPath,
  [
    '-e',
    `const s = require('node:http').createServer((q, r) => q.on('data', () => {}).on('end', () => r.end('{}')));
     s.listen(0, '127.0.0.1', () => console.log(s.address().port))`,
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
try {
  const [port] = (await once(collector.stdout, 'data')) as [Buffer];
  const off = await measure(true);
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${String(port).trim()}` };
  const settings = config.readSettings(config.observabilitySettings(9464), env);
  await tracingLib.startTracing(settings, 'bench', observability.createLogger('bench', 'warn'));
  const unsampled = await measure(false);
  const sampled = await measure(true);
  await tracing.stop(2_000);
  const row = (what: string, ms: number): string => `${what.padEnd(34)} ${ms.toFixed(1).padStart(7)} ms per thousand`;
  process.stdout.write(
    [
      row('off (encoding and this harness)', off),
      row('on, not sampled', unsampled),
      row('on, sampled and exported', sampled),
      '',
    ].join('\n'),
  );
} finally {
  collector.kill();
}
