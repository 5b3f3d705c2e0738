import { existsSync, globSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ALL_TOPICS, type Service } from '@bongsu/contracts';
import { API_SETTINGS } from '../apps/api/src/settings.ts';
import { AUDIT_SETTINGS } from '../apps/audit/src/settings.ts';
import { NOTIFICATION_SETTINGS } from '../apps/notification/src/settings.ts';

/** What can be said about the Helm chart without helm: that it knows ports, topics and deadlines as the code has them. */

const root = join(import.meta.dirname, '..');
const chart = join(root, 'deploy/helm/bongsu');
const read = (path: string): string => readFileSync(join(chart, path), 'utf8');
const SERVICES = ['api', 'notification', 'audit'] as const;
const SPECS = { api: API_SETTINGS, notification: NOTIFICATION_SETTINGS, audit: AUDIT_SETTINGS };

/** The YAML that a helper of the chart stands for. */
function helper<T>(name: string): Record<Service, T> {
  const text = new RegExp(`define "${name}" -\\}\\}\\n([^]*?)\\{\\{- end`).exec(read('templates/_helpers.tpl'))?.[1];
  return parse(text ?? '') as Record<Service, T>;
}

const templates = globSync('templates/*.yaml', { cwd: chart }).map(read).join('\n');
const values = parse(read('values.yaml'), { merge: true }) as Record<
  Service,
  { secretKeys: { required: string[]; optional: string[] } }
> & { partitions: number };

describe('the chart', () => {
  test('has the version of the images', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(parse(read('Chart.yaml'))).toMatchObject({ appVersion: manifest.version });
  });

  test.each(SERVICES)('%s listens where the chart says', (service) => {
    const ports = helper<{ http?: number; management: number }>('bongsu.ports')[service];
    const spec: Record<string, { fallback: string | null | undefined }> = SPECS[service];
    expect(ports).toEqual({
      management: Number(spec['MANAGEMENT_PORT']?.fallback),
      ...(spec['PORT'] ? { http: Number(spec['PORT'].fallback) } : {}),
    });
  });

  test('probes the paths that the management server answers', () => {
    const server = readFileSync(join(root, 'libs/observability/src/management-server.ts'), 'utf8');
    const paths = new Set([...templates.matchAll(/path: (\/[a-z/]+)/g)].map(([, path = '']) => path));
    expect([...paths].toSorted()).toEqual(['/health/live', '/health/ready', '/metrics']);
    for (const path of paths) expect(server).toContain(`case '${path}'`);
    // A service that is restarted because Kafka is away only gets slower when it is back.
    for (const probe of ['startupProbe', 'livenessProbe'])
      expect(templates).toMatch(new RegExp(`${probe}:\\s+httpGet: \\{ path: /health/live,`));
  });

  test.each(SERVICES)('%s is given the time that it takes to stop', (service) => {
    const main = readFileSync(join(root, 'apps', service, 'src/main.ts'), 'utf8');
    const shutdown = Number(/SHUTDOWN_MS = ([\d_]+)/.exec(main)?.[1]?.replaceAll('_', '')) / 1000;
    const grace = Number(/terminationGracePeriodSeconds: (\d+)/.exec(templates)?.[1]);
    const before = Number(/preStop: \{ sleep: \{ seconds: (\d+)/.exec(templates)?.[1]);
    expect(before).toBeGreaterThan(0);
    expect(grace).toBeGreaterThanOrEqual(before + shutdown + 5);
  });

  test.each(SERVICES)('knows what %s reads, and how far it can grow', (service) => {
    const { group, topics } = helper<{ group: string; topics: string[] }>('bongsu.reads')[service];
    const read = ALL_TOPICS.filter(({ readBy }) => readBy.some((reader) => reader.group === group));
    expect(read.flatMap(({ readBy }) => readBy).some((reader) => reader.service === service)).toBe(true);
    expect(read.map(({ name }) => name)).toEqual(expect.arrayContaining(topics));
    // Those that carry the load: what is rare needs no more replicas.
    const busy = read.filter(({ name, partitions }) => name.startsWith('notification.') && partitions > 1);
    expect(topics.toSorted()).toEqual(busy.map(({ name }) => name).toSorted());
    for (const { partitions } of busy) expect(partitions).toBe(values.partitions);
  });

  test.each(SERVICES)('takes from the Secret of %s what is a secret, and all that is required of it', (service) => {
    const spec: Record<string, { secret?: boolean }> = SPECS[service];
    const { required, optional } = values[service].secretKeys;
    for (const name of [...required, ...optional]) expect(spec[name]?.secret, name).toBe(true);
    const secrets = Object.keys(spec).filter((name) => spec[name]?.secret);
    expect([...required, ...optional].toSorted()).toEqual(secrets.toSorted());
  });

  test.each(SERVICES)('runs the migrations of %s by a program that there is', (service) => {
    expect(templates).toContain('/app/apps/{{ $name }}/dist/apps/{{ $name }}/src/database/migrate.js');
    expect(existsSync(join(root, 'apps', service, 'src/database/migrate.ts'))).toBe(true);
  });

  test('brings the very rules that Prometheus is set up with here', () => {
    const ours = globSync('*.yml', { cwd: join(root, 'infra/prometheus/rules') }).toSorted();
    expect(globSync('*.yml', { cwd: join(chart, 'rules') }).toSorted()).toEqual(ours);
    for (const name of ours)
      expect(realpathSync(join(chart, 'rules', name))).toBe(join(realpathSync(root), 'infra/prometheus/rules', name));
  });
});
