import { readSettings, observabilitySettings } from '@bongsu/config';
import { isSampled, type TraceContext } from '@bongsu/contracts';
import { createLogger } from '@bongsu/observability';
import { OtlpReceiver } from '@bongsu/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_SPAN } from '../tracing.js';
import { OtlpTracer } from './tracer.js';

let collector: OtlpReceiver;
beforeEach(async () => void (collector = await OtlpReceiver.start()));
afterEach(() => collector.stop());

function tracerWith(env: Record<string, string> = {}): OtlpTracer {
  const settings = readSettings(observabilitySettings(9464), env);
  const logger = createLogger('test', 'silent');
  return new OtlpTracer({ ...settings, endpoint: `${collector.url}/`, service: 'api', logger });
}

const REMOTE: TraceContext = {
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'acme=1,other=2',
};
const UNSAMPLED: TraceContext = { traceparent: REMOTE.traceparent.replace(/01$/, '00') };

describe('a span', () => {
  it('is below its parent, remote or local, and hands the tracestate on', async () => {
    const tracer = tracerWith();
    const request = tracer.start('request', { kind: 'server', parent: REMOTE, attributes: { 'http.route': '/x' } });
    const send = tracer.start('send', { kind: 'producer', parent: request.context });
    expect(send.context).toMatchObject({ tracestate: 'acme=1,other=2' });
    expect(send.context!.traceparent).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
    send.fail('kafka_unavailable');
    send.end();
    request.end();
    await tracer.stop(5_000);
    // Spans that begin in the same millisecond are in no order.
    const [first, second] = ['request', 'send'].map((each) => collector.spans.find(({ name }) => name === each));
    expect(second!.traceId).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
    expect(first).toMatchObject({ name: 'request', kind: 'server', parent: '00f067aa0ba902b7', failed: false });
    expect(first).toMatchObject({ service: 'bongsu-api', attributes: { 'http.route': '/x' } });
    expect(second).toMatchObject({ name: 'send', parent: first!.spanId, failed: true });
    expect(second!.attributes).toEqual({ 'error.type': 'kafka_unavailable' });
  });

  it('begins a trace when nothing is above it', async () => {
    const tracer = tracerWith();
    const spans = [tracer.start('one', { kind: 'internal' }), tracer.start('two', { kind: 'internal' })];
    for (const span of spans) span.end();
    await tracer.stop(5_000);
    expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(2);
    expect(collector.spans.map(({ parent }) => parent)).toEqual([undefined, undefined]);
  });
});

describe('sampling', () => {
  it('does as the parent says, for nearly nothing when that is no', () => {
    const tracer = tracerWith({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
    expect(tracer.start('unsampled', { kind: 'internal', parent: UNSAMPLED })).toBe(NO_SPAN);
    expect(isSampled(tracer.start('sampled', { kind: 'internal', parent: REMOTE }).context!)).toBe(true);
  });

  it('tells the others when it has decided against a trace', () => {
    const tracer = tracerWith({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
    expect(isSampled(tracer.start('root', { kind: 'internal' }).context!)).toBe(false);
  });

  it('keeps about the share of traces that is asked for', () => {
    const tracer = tracerWith({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' });
    const roots = Array.from({ length: 4_000 }, () => tracer.start('root', { kind: 'internal' }).context!);
    // Eleven standard deviations: a wrong share shows, chance does not.
    expect(Math.abs(roots.filter(isSampled).length - 1_000)).toBeLessThan(300);
  });

  it.each([
    ['always_on', UNSAMPLED, true],
    ['always_off', REMOTE, false],
    ['traceidratio', UNSAMPLED, true],
    ['parentbased_always_off', REMOTE, true],
    ['parentbased_always_on', UNSAMPLED, false],
  ])('by %s of a span below %j: %s', (sampler, parent, expected) => {
    const { context } = tracerWith({ OTEL_TRACES_SAMPLER: sampler }).start('span', { kind: 'internal', parent });
    expect(context !== undefined && isSampled(context)).toBe(expected);
  });

  it('keeps what is linked with something that is kept, and only that', () => {
    const tracer = tracerWith({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
    const linked = (...links: TraceContext[]) => isSampled(tracer.start('batch', { kind: 'consumer', links }).context!);
    expect([linked(UNSAMPLED), linked(UNSAMPLED, REMOTE), linked()]).toEqual([false, true, false]);
  });
});

describe('the end', () => {
  it('comes in time, whatever the collector does', async () => {
    for (const answer of ['hang', 'unavailable'] as const) {
      collector.answer = answer;
      const tracer = tracerWith();
      tracer.start('span', { kind: 'internal' }).end();
      const began = performance.now();
      await tracer.stop(300);
      expect(performance.now() - began).toBeLessThan(2_000);
    }
  });
});
