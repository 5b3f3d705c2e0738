import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

/** What can be said without an engine of the images (docs/images.md) and of the override that runs Kafka without ZooKeeper. */

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Stage {
  readonly from: string;
  readonly lines: readonly string[];
}

/** The stages of the Dockerfile by name, with continued lines joined and comments left out; the last one is `image`. */
function stages(): Map<string, Stage> {
  const found = new Map<string, Stage & { lines: string[] }>();
  const lines = read('Dockerfile')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n');
  let current: string[] = [];
  for (const line of lines) {
    const [, from, name] = /^FROM (\S+)(?: AS (\S+))?$/.exec(line) ?? [];
    if (from !== undefined) {
      current = [];
      found.set(name ?? 'image', { from, lines: current });
    } else current.push(line);
  }
  return found;
}

describe('the image of a service', () => {
  const image = stages().get('image')?.lines ?? [];
  const all = image.join('\n');

  test('is of the stage whose base is pinned to an exact version', () => {
    expect(stages().get('image')?.from).toBe('base');
    expect(stages().get('base')?.from).toMatch(/^node:\d+\.\d+\.\d+-\w+-slim$/);
  });

  test('holds what was built and its production dependencies, and nothing of the build besides', () => {
    const copied = image.filter((line) => line.startsWith('COPY'));
    expect(copied).toEqual([
      'COPY LICENSE infra/compose/healthcheck.mjs ./',
      'COPY --from=dependencies /app/node_modules node_modules',
      'COPY --from=build /app/main.mjs main.mjs',
      'COPY --from=build /app/apps/${APP} apps/${APP}',
    ]);
    const install =
      stages()
        .get('dependencies')
        ?.lines.find((line) => line.includes('npm ci')) ?? '';
    expect(install).toContain('--omit=dev');
    expect(install).toContain('--workspace apps/${APP}');
    expect(
      stages()
        .get('build')
        ?.lines.find((line) => line.includes('nest build')),
    ).toContain('rm -rf apps/${APP}/src');
  });

  test('runs as a user without rights, and nothing after that changes it back', () => {
    expect(image.filter((line) => line.startsWith('USER'))).toEqual(['USER node']);
    const after = image.slice(image.indexOf('USER node'));
    expect(after.filter((line) => /^(RUN|COPY|ADD)/.test(line))).toEqual([]);
    expect(all).toMatch(/^RUN rm -rf .*\/npm /m);
  });

  test('ends when it is asked to, and says whether it is ready', () => {
    expect(image).toContain('STOPSIGNAL SIGTERM');
    // Not through a shell, which would keep the signal to itself.
    expect(all).toMatch(/^ENTRYPOINT \["node", /m);
    expect(all).toMatch(/^HEALTHCHECK .*CMD \["node", /m);
  });

  test('carries the labels of the Open Container Initiative, from arguments of the build', () => {
    const label = image.find((line) => line.startsWith('LABEL')) ?? '';
    for (const [name, argument] of [
      ['version', 'VERSION'],
      ['revision', 'REVISION'],
      ['source', 'SOURCE'],
      ['licenses', 'LICENSES'],
    ]) {
      expect(label).toContain(`org.opencontainers.image.${name}="\${${argument}}"`);
      expect(all).toMatch(new RegExp(`^ARG ${argument}=`, 'm'));
    }
    expect(label).toContain('org.opencontainers.image.title="bongsu-${APP}"');
    const manifest = JSON.parse(read('package.json')) as { version: string; license: string };
    expect(image).toContain(`ARG VERSION=${manifest.version}`);
    expect(image).toContain(`ARG LICENSES=${manifest.license}`);
  });
});

describe('the override without ZooKeeper', () => {
  interface Service {
    readonly environment: Record<string, string | null>;
    readonly ports?: unknown;
    readonly profiles?: readonly string[];
    readonly volumes?: readonly string[];
  }
  const servicesIn = (path: string) =>
    (parse(read(path), { merge: true, logLevel: 'error' }) as { services: Record<string, Service> }).services;
  const base = servicesIn('docker-compose.yml');
  const override = servicesIn('docker-compose.kraft.yml');
  const broker = override['kafka']?.environment ?? {};

  test('takes away every setting about ZooKeeper, and ZooKeeper', () => {
    const about = Object.keys(base['kafka']?.environment ?? {}).filter((name) => name.includes('ZOOKEEPER'));
    expect(about.length).toBeGreaterThan(0);
    // `!reset` is compose's own tag; what it is about is read as it stands.
    for (const name of [...about, 'KAFKA_BROKER_ID']) expect(String(broker[name]), name).toBe('null');
    expect(override['zookeeper']?.profiles).toEqual(['zookeeper']);
  });

  test('sets what the local broker without ZooKeeper is told', () => {
    for (const [, property = '', value] of read('infra/kafka/kraft.properties').matchAll(/^([a-z][\w.]*)=(.*)$/gm))
      expect(broker[`KAFKA_${property.toUpperCase().replaceAll('.', '_')}`], property).toBe(value);
    expect(Buffer.from(String(broker['CLUSTER_ID']), 'base64url')).toHaveLength(16);
  });

  test('publishes no port of the controller, and has data of its own', () => {
    expect(override['kafka']?.ports).toBeUndefined();
    expect(String(base['kafka']?.environment['KAFKA_ADVERTISED_LISTENERS'])).not.toContain('CONTROLLER');
    expect(override['kafka']?.volumes?.[0]).toBe('kafka-kraft-data:/var/lib/kafka/data');
  });
});
