import { OtlpReceiver, waitUntil, type ServiceName } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { notificationOf } from '../pipeline/load.js';
import { WebhookReceiver } from '../pipeline/receivers.js';
import { System } from '../pipeline/system.js';

const ALL: readonly ServiceName[] = ['api', 'notification', 'audit'];
/** More spans than one request to the collector takes. */
const MANY = 300;

let collector: OtlpReceiver;
let webhook: WebhookReceiver;
let system: System;
beforeAll(async () => {
  [collector, webhook] = await Promise.all([OtlpReceiver.start(), WebhookReceiver.start()]);
  system = await System.start('collector', ALL, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
});
afterAll(async () => {
  await system.stop();
  await Promise.all([collector.stop(), webhook.stop()]);
});

const body = (recipient: string) => ({
  recipient: { id: recipient, webhook: { url: `${webhook.url}/hook` } },
  channels: ['webhook'],
  content: { body: 'The beacon is lit.' },
});
const called = () => new Set(webhook.calls.map((call) => notificationOf(call.body)));
const logOf = (name: ServiceName) => system.service(name).log.split('\n');

/** Sends many, and waits until the last of them has arrived. */
async function sendMany(prefix: string): Promise<void> {
  const before = called().size;
  await Promise.all(Array.from({ length: MANY }, (_, n) => system.send(body(`${prefix}-${n}`))));
  await waitUntil('all arrived', () => called().size >= before + MANY, { timeoutMs: 30_000 });
}

async function spansOf(name: ServiceName, result: string): Promise<number> {
  const metrics = await (await fetch(`${system.service(name).managementUrl}/metrics`)).text();
  return Number(new RegExp(`^tracing_spans_total\\{result="${result}"\\} (\\d+)$`, 'm').exec(metrics)?.[1] ?? 0);
}

describe('a collector', () => {
  it('that hangs costs spans and nothing else', async () => {
    collector.answer = 'hang';
    await sendMany('hanging');
    await expect.poll(() => spansOf('notification', 'failed'), { timeout: 20_000 }).toBeGreaterThan(0);
    await sendMany('still-hanging');
    for (const name of ALL)
      expect(logOf(name).filter((line) => line.includes('Spans cannot be exported')).length).toBeLessThanOrEqual(1);
  });

  it('that is away keeps no service from ending in time, and exits 0', async () => {
    const port = Number(new URL(collector.url).port);
    await collector.stop();
    await sendMany('away');
    const began = performance.now();
    const codes = await Promise.all(ALL.map((name) => system.service(name).stop('SIGTERM', 10_000)));
    expect(codes).toEqual([0, 0, 0]);
    expect(performance.now() - began).toBeLessThan(10_000);
    const complaints = ALL.flatMap(logOf).filter((line) => /"level":"(error|fatal)"/.test(line));
    expect(complaints.filter((line) => !line.includes('AUDIT_SIGNING_KEY'))).toEqual([]);
    collector = await OtlpReceiver.start(port);
    await Promise.all(ALL.map((name) => system.startService(name)));
  });

  it('that is back gets what is sent from then on, and at the end also what was not sent yet', async () => {
    const id = await system.send(body('back'));
    await waitUntil('it arrived', () => called().has(id));
    // At once: less than the time that spans wait for company.
    expect(await system.service('notification').stop()).toBe(0);
    const attempts = collector.spans.filter(
      ({ name, attributes }) => name === 'deliver webhook' && attributes['bongsu.notification.id'] === id,
    );
    expect(attempts).toHaveLength(1);
    await system.startService('notification');
  });
});

describe('without OTEL_EXPORTER_OTLP_ENDPOINT', () => {
  /** Tells of every module of the SDK that is loaded. (prom-client loads the API, for its exemplars.) */
  const watch = `import { registerHooks } from 'node:module';
    registerHooks({ resolve(name, context, next) {
      const found = next(name, context);
      if (found.url.includes('@opentelemetry/sdk-trace')) process.stderr.write('LOADED ' + found.url + '\\n');
      return found;
    } });`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(watch)}`;

  it('the SDK is not even loaded, and a traceparent is handed on all the same', async () => {
    await Promise.all(ALL.map((name) => system.service(name).stop()));
    await Promise.all(ALL.map((name) => system.startService(name, { OTEL_EXPORTER_OTLP_ENDPOINT: '', NODE_OPTIONS })));
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const before = collector.spans.length;
    const id = await system.send(body('untraced'), { traceparent });
    const other = await system.send(body('no-trace'));
    await waitUntil('both arrived', () => called().has(id) && called().has(other));
    const headerOf = (sent: string) =>
      webhook.calls.find((call) => notificationOf(call.body) === sent)!.headers['traceparent'];
    expect([headerOf(id), headerOf(other)]).toEqual([traceparent, undefined]);
    for (const name of ALL) expect(system.service(name).log).not.toContain('LOADED');
    expect(collector.spans).toHaveLength(before);
  });

  it('which the test would notice', async () => {
    await system.service('api').stop();
    const api = await system.startService('api', { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, NODE_OPTIONS });
    expect(api.log).toContain('LOADED');
  });
});
