import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { registry } from '@bongsu/observability';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { exposedMetrics, metricsIn } from './metric-names.ts';

/** What `promtool test rules` (npm run check) does not say about the alerts. */

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: { readonly severity?: string };
  readonly annotations?: { readonly summary?: string; readonly runbook_url?: string };
}
interface Cases {
  readonly tests: { readonly alert_rule_test: { readonly alertname: string; readonly exp_alerts: unknown[] }[] }[];
}

const files = globSync('infra/prometheus/rules/*.yml', { cwd: root });
const rules = files.flatMap((file) =>
  (parse(read(file)) as { groups: { rules: Rule[] }[] }).groups.flatMap((g) => g.rules),
);
const alerts = rules.flatMap((rule) => (rule.alert === undefined ? [] : [[rule.alert, rule] as const]));
const cases = files.flatMap((file) =>
  (parse(read(`infra/prometheus/tests/${basename(file)}`)) as Cases).tests.flatMap((test) => test.alert_rule_test),
);

describe('each alert', () => {
  const sections = new Set([...read('docs/runbook.md').matchAll(/^## (\w+)$/gm)].map(([, title]) => title));

  it.each(alerts)('%s has a severity, a summary and its section of the runbook', (name, rule) => {
    expect(rule.labels?.severity).toMatch(/^(warning|critical)$/);
    expect(rule.annotations?.summary).toBeTruthy();
    expect(rule.annotations?.runbook_url).toBe(`{{ $externalLabels.runbook }}#${name.toLowerCase()}`);
    expect(sections).toContain(name);
  });

  it.each(alerts)('%s has a case in which it fires, and one in which it does not', (name) => {
    const of = cases.filter(({ alertname }) => alertname === name);
    expect(of.some(({ exp_alerts: expected }) => expected.length > 0)).toBe(true);
    expect(of.some(({ exp_alerts: expected }) => expected.length === 0)).toBe(true);
  });

  it('is the only one of its name, and the runbook has no other sections', () => {
    const names = alerts.map(([name]) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(sections).toEqual(new Set(names));
  });
});

it('rules ask for metrics only that something exposes', () => {
  const isExposed = exposedMetrics(root);
  const process = new Set(registry.getMetricsAsArray().map(({ name }) => name));
  const recorded = new Set(rules.map(({ record }) => record));
  const isKnown = (name: string): boolean => isExposed(name) || process.has(name) || recorded.has(name);
  const unknown = rules.flatMap(({ expr }) => metricsIn(expr)).filter((name) => !isKnown(name));
  expect([...new Set(unknown)]).toEqual([]);
});

it.each([
  ['sum by (topic) (rate(a_total{job="x"}[5m])) > 0 unless on (job) b:c:d offset 10m == bool 1', ['a_total', 'b:c:d']],
  ['histogram_quantile(0.9, sum(rate(h_bucket{le="+Inf", x=~"y}"}[1m])) by (le)) or vector(0)', ['h_bucket']],
  ['time() - max(t) > 60 or absent(t)', ['t']],
])('finds the metrics in %s', (expression, expected) => {
  expect(metricsIn(expression)).toEqual(expected);
});
