import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { registry } from '@bongsu/observability';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { exposedMetrics, metricsIn } from './metric-names.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly {
    readonly title: string;
    readonly datasource: { readonly uid: string };
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

const dashboards = globSync('infra/grafana/dashboards/*.json', { cwd: root }).map(
  (file) => [file, JSON.parse(read(file)) as Dashboard] as const,
);
const recorded = globSync('infra/prometheus/rules/*.yml', { cwd: root }).flatMap((file) =>
  (parse(read(file)) as { groups: { rules: { record?: string }[] }[] }).groups.flatMap(({ rules }) =>
    rules.flatMap(({ record }) => record ?? []),
  ),
);
const known = new Set([
  ...recorded,
  ...registry.getMetricsAsArray().map(({ name }) => name),
  'nodejs_gc_duration_seconds_sum',
]);
const isExposed = exposedMetrics(root);

describe.each(dashboards)('%s', (_file, { panels }) => {
  it.each(panels.map((panel) => [panel.title, panel] as const))(
    '%s asks for metrics that there are',
    (_title, panel) => {
      expect(panel.targets.length).toBeGreaterThan(0);
      expect(panel.datasource.uid).toBe('prometheus');
      for (const { expr } of panel.targets) {
        const names = metricsIn(expr);
        expect(names.length, expr).toBeGreaterThan(0);
        expect(names.filter((name) => !known.has(name) && !isExposed(name))).toEqual([]);
      }
    },
  );
});

it('dashboards have names of their own, and the data source that is provisioned', () => {
  expect(dashboards).toHaveLength(7);
  expect(new Set(dashboards.map(([, { uid }]) => uid)).size).toBe(dashboards.length);
  const { datasources } = parse(read('infra/grafana/provisioning/datasources/prometheus.yml')) as {
    datasources: { uid: string; url: string }[];
  };
  expect(datasources).toMatchObject([{ uid: 'prometheus', url: 'http://prometheus:9090' }]);
});

it('the JMX exporter shows what dashboards, alerts and the readiness check use, and no more', () => {
  const used = [
    ...globSync('infra/{grafana/dashboards,prometheus/rules}/*', { cwd: root }),
    'infra/compose/kafka-ready',
  ].map(read);
  const rules = globSync('infra/jmx/*.yml', { cwd: root }).flatMap(
    (file) => (parse(read(file)) as { rules: { name: string }[] }).rules,
  );
  const unused = rules
    .map(({ name }) => new RegExp(`\\b${name.toLowerCase().replaceAll(/\$\d/g, '\\w+')}\\b`))
    .filter((name) => !used.some((text) => name.test(text)));
  expect(unused).toEqual([]);
});
