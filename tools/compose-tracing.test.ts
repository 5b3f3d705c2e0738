import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '..');
const source = readFileSync(join(root, 'docker-compose.tracing.yml'), 'utf8');

interface Service {
  readonly image?: string;
  readonly ports?: readonly string[];
  readonly environment?: Record<string, string>;
  readonly depends_on?: unknown;
  readonly cap_drop?: readonly string[];
  readonly read_only?: boolean;
  readonly mem_limit?: string;
}
const { services } = parse(source, { merge: true }) as { services: Record<string, Service> };

test('the collector is pinned, bounded, and reached by this machine alone', () => {
  const { jaeger } = services;
  expect(jaeger?.image).toMatch(/^jaegertracing\/jaeger:\d+\.\d+\.\d+$/);
  expect(jaeger?.ports).toEqual(['127.0.0.1:${JAEGER_PORT:-16686}:16686']);
  expect(jaeger).toMatchObject({ cap_drop: ['ALL'], read_only: true, mem_limit: '512m' });
});

test('all services send to it, and none waits for it', () => {
  for (const name of ['api', 'notification', 'audit']) {
    expect(services[name]?.environment).toEqual({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://jaeger:4318' });
    expect(services[name]?.depends_on).toBeUndefined();
  }
});
