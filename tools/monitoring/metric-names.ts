import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** Kept of a histogram besides its name. */
const OF_HISTOGRAM = ['', '_bucket', '_sum', '_count'];
/** What Prometheus itself adds for each target. */
const OF_PROMETHEUS = ['up', 'scrape_duration_seconds', 'scrape_samples_scraped'];
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan', 'group_left', 'group_right']);

/** The names of metrics (recorded ones too) that a PromQL expression asks for. */
export function metricsIn(expression: string): string[] {
  const bare = expression
    .replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""')
    .replaceAll(/\{[^}]*\}/g, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replaceAll(/\boffset\s+\S+/g, ' ');
  const names = [...bare.matchAll(/[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])/g)].map(([name]) => name);
  return [...new Set(names.filter((name) => !WORDS.has(name.toLowerCase())))];
}

/** Says of a name whether something in this repository exposes a metric of that name. */
export function exposedMetrics(root: string): (name: string) => boolean {
  const own = new Set(OF_PROMETHEUS);
  for (const file of globSync('{apps,libs}/*/src/**/*.ts', { cwd: root })) {
    const declarations = readFileSync(join(root, file), 'utf8').matchAll(
      /new (Counter|Gauge|Histogram)\(\{\s*name: '(\w+)'/g,
    );
    for (const [, kind, name = ''] of declarations) {
      for (const suffix of kind === 'Histogram' ? OF_HISTOGRAM : ['']) own.add(name + suffix);
    }
  }
  for (const name of fromPostgresExporter(join(root, 'infra', 'postgres', 'exporter.yml'))) own.add(name);
  const patterns = globSync('infra/jmx/*.yml', { cwd: root }).flatMap((file) => fromJmx(join(root, file)));
  return (name) => own.has(name) || patterns.some((pattern) => pattern.test(name));
}

/** The names that postgres_exporter makes of its queries, and the one that it always has. */
export function fromPostgresExporter(file: string): string[] {
  const queries = parse(readFileSync(file, 'utf8')) as Record<string, { metrics: Record<string, { usage: string }>[] }>;
  const named = Object.entries(queries).flatMap(([space, { metrics }]) =>
    metrics
      .flatMap((metric) => Object.entries(metric))
      .flatMap(([name, { usage }]) => (usage === 'LABEL' ? [] : [`${space}_${name}`])),
  );
  return ['pg_up', ...named];
}

/** The names that rules of the JMX exporter give, each as a pattern: `$1` is what the first group of its pattern may be. */
function fromJmx(file: string): RegExp[] {
  const { rules } = parse(readFileSync(file, 'utf8')) as { rules: { pattern: string; name: string }[] };
  return rules.map(({ pattern, name }) => {
    const groups = [...pattern.matchAll(/\(([^()]*)\)/g)].map(([, inside = '']) => inside);
    const filled = name.replaceAll(/\$(\d)/g, (_, digit: string) => `(${groups[Number(digit) - 1] ?? ''})`);
    // The exporter makes names lower-case, and writes what cannot be in one as an underscore.
    return new RegExp(`^${filled.toLowerCase().replaceAll('-', '_').replaceAll('.+', '\\w+')}$`);
  });
}
