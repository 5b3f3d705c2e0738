import { createLogger } from '@bongsu/observability';
import { observabilitySettings, readSettings, SettingsError } from '@bongsu/config';
import { expect, it } from 'vitest';
import { traceFields } from './log-fields.js';
import { startTracing } from './start.js';
import { NO_SPAN, tracing } from './tracing.js';

it('is off, and all its spans are the same nothing, until there is somewhere to send them to', async () => {
  await startTracing(readSettings(observabilitySettings(9464), {}), 'api', createLogger('test', 'silent'));
  expect(tracing.isOn).toBe(false);
  const span = tracing.start('span', { kind: 'internal' });
  expect(span).toBe(NO_SPAN);
  expect(span.context).toBeUndefined();
  span.set({ a: 1 });
  span.fail('x');
  span.end();
  expect(span).toEqual(NO_SPAN);
  await tracing.stop(10);
});

it('is off again after its end', async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:hush@127.0.0.1:9' };
  const lines: string[] = [];
  const logger = createLogger('test', 'info', { write: (line) => lines.push(line) });
  await startTracing(readSettings(observabilitySettings(9464), env), 'api', logger);
  expect(tracing.isOn).toBe(true);
  expect(tracing.start('span', { kind: 'internal' }).context).toBeDefined();
  await tracing.stop(10);
  expect(tracing.isOn).toBe(false);
  expect(lines.join('')).not.toContain('hush');
});

it.each([
  [{ OTEL_TRACES_SAMPLER: 'sometimes' }, 'OTEL_TRACES_SAMPLER must be one of'],
  [{ OTEL_TRACES_SAMPLER_ARG: '1.5' }, 'OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT must be a URL'],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'hush' }, 'OTEL_EXPORTER_OTLP_HEADERS must be name=value pairs'],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'a b=hush' }, 'OTEL_EXPORTER_OTLP_HEADERS must be name=value pairs'],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'a=hush%0d%0ax: y' }, 'OTEL_EXPORTER_OTLP_HEADERS must be name=value pairs'],
])('refuses %j and keeps secrets to itself', (env, message) => {
  expect(() => readSettings(observabilitySettings(9464), env)).toThrow(SettingsError);
  expect(() => readSettings(observabilitySettings(9464), env)).toThrow(message);
  expect(() => readSettings(observabilitySettings(9464), env)).not.toThrow('hush');
});

it('reads headers as OpenTelemetry has them', () => {
  const env = { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20a2V5, x-tenant = a=b ,' };
  expect([...readSettings(observabilitySettings(9464), env).OTEL_EXPORTER_OTLP_HEADERS!]).toEqual([
    ['authorization', 'Basic a2V5'],
    ['x-tenant', 'a=b'],
  ]);
});

it('gives the ids of a trace the names that logs have for them', () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  expect(traceFields({ traceparent })).toEqual({
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    span_id: '00f067aa0ba902b7',
  });
  expect(traceFields(undefined)).toEqual({});
});
