import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { SettingsSpec } from '@bongsu/config';
import { API_SETTINGS } from '../apps/api/src/settings.ts';
import { AUDIT_SETTINGS } from '../apps/audit/src/settings.ts';
import { NOTIFICATION_SETTINGS } from '../apps/notification/src/settings.ts';
import { ALL_USERS, SUPER_USERS } from '@bongsu/kafka';

/** What can be said about secure mode's containers without an engine: nothing secret is a variable, nothing speaks in the clear. */

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Service {
  readonly environment?: Record<string, string | null>;
  readonly secrets?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly command?: readonly string[];
}
interface Compose {
  readonly services: Record<string, Service>;
  readonly secrets: Record<string, { file: string }>;
  readonly networks: Record<string, { internal?: boolean }>;
}

// `!reset` and `!override` are compose's own tags; what they are about is read as it stands.
const secure = parse(read('docker-compose.secure.yml'), { merge: true, logLevel: 'error' }) as Compose;
const base = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const lines = (path: string): [string, string][] =>
  [...read(path).matchAll(/^([a-zA-Z][\w.]*)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]);
const isReset = (value: string | null | undefined): boolean => value === null || value === '' || value === 'null';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bongsu-secrets-'));
  execFileSync(join(root, 'infra/secure/make-secrets'), [folder]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('secrets', () => {
  const SPECS: readonly [string, SettingsSpec][] = [
    ['api', API_SETTINGS],
    ['notification', NOTIFICATION_SETTINGS],
    ['audit', AUDIT_SETTINGS],
  ];
  // Those that are not there unless somebody gives them; a file for one takes an override of his own.
  const isOptional = (service: string, name: string): boolean =>
    base.services[service]?.environment?.[name] === `\${${name}:-}`;
  const settings = SPECS.flatMap(([service, spec]) =>
    Object.entries(spec)
      .filter(([name, { secret }]) => secret === true && !isOptional(service, name))
      .map(([name]) => [service, name] as const),
  );

  test('there are some', () => expect(settings.length).toBeGreaterThan(8));

  test.each(settings)('%s takes %s from a file', (name, setting) => {
    const { environment = {}, secrets = [] } = secure.services[name] ?? {};
    if (base.services[name]?.environment?.[setting] !== undefined) expect(isReset(environment[setting])).toBe(true);
    const file = environment[`${setting}_FILE`] ?? '';
    expect(file).toMatch(/^\/run\/secrets\//);
    expect(secrets).toContain(file.replace('/run/secrets/', ''));
  });

  test.each(Object.entries(base.services))('%s is given no password as a variable', (name, { environment = {} }) => {
    const changed = secure.services[name]?.environment ?? {};
    // What is not in the override at all is not of secure mode: nothing of it has been thought of.
    const passwords = Object.keys({ ...environment, ...changed }).filter((variable) => /PASS(WORD)?$/.test(variable));
    expect(passwords.filter((variable) => !isReset(changed[variable]))).toEqual([]);
  });

  test.each(Object.entries(secure.secrets))('make-secrets makes %s', (name, { file }) => {
    expect(file).toBe(`./secrets/${name}`);
    expect(existsSync(join(folder, name)) && statSync(join(folder, name)).size > 0).toBe(true);
  });

  test('each one that is mentioned is given, and each one that is given exists', () => {
    for (const [name, service] of Object.entries(secure.services)) {
      const given = new Set(service.secrets);
      for (const secret of given) expect(Object.keys(secure.secrets), name).toContain(secret);
      const mentioned = JSON.stringify([service.environment, service.command]).matchAll(/\/run\/secrets\/([\w.-]+)/g);
      for (const [, secret = ''] of mentioned) expect(given, name).toContain(secret);
    }
  });

  test('each user has a password, which the users are given', () => {
    for (const user of [...ALL_USERS, ...SUPER_USERS])
      expect(existsSync(join(folder, `${user}.password`)), user).toBe(true);
    for (const user of ALL_USERS) expect(secure.services['access']?.secrets).toContain(`${user}.password`);
  });

  test('the folder is closed to others, and a second run changes nothing', () => {
    expect(statSync(folder).mode & 0o077).toBe(0);
    expect(statSync(join(folder, 'ca.key')).mode & 0o077).toBe(0);
    const before = readFileSync(join(folder, 'kafka.pem'), 'utf8') + readFileSync(join(folder, 'kafka.jaas'), 'utf8');
    execFileSync(join(root, 'infra/secure/make-secrets'), [folder]);
    expect(readFileSync(join(folder, 'kafka.pem'), 'utf8') + readFileSync(join(folder, 'kafka.jaas'), 'utf8')).toBe(
      before,
    );
  });

  test('names that were asked for once stay in every certificate; those of an old authority are told', () => {
    const make = (...options: string[]): string =>
      execFileSync(join(root, 'infra/secure/make-secrets'), [folder, ...options], { encoding: 'utf8' });
    const names = (): string =>
      execFileSync('openssl', ['x509', '-in', join(folder, 'kafka.crt'), '-noout', '-ext', 'subjectAltName'], {
        encoding: 'utf8',
      });
    make('--host', 'kafka.example.org');
    expect(names()).toContain('DNS:kafka.example.org');
    expect(make('--renew-certificates', '--days', '20')).toMatch(/kafka\.crt .*ENDS WITHIN 30 DAYS/);
    expect(names()).toContain('DNS:kafka.example.org');
  });
});

describe('servers', () => {
  test('the broker is set up like the one of the tests', () => {
    for (const [property, value] of lines('infra/secure/kafka.properties')) {
      const variable = `KAFKA_${property.toUpperCase().replaceAll('.', '_')}`;
      expect(secure.services['kafka']?.environment?.[variable], property).toBe(value);
    }
  });

  test('no listener of the broker is without TLS and log-in', () => {
    const listeners = base.services['kafka']?.environment?.['KAFKA_ADVERTISED_LISTENERS'] ?? '';
    const map = secure.services['kafka']?.environment?.['KAFKA_LISTENER_SECURITY_PROTOCOL_MAP'];
    const named = [...listeners.matchAll(/(\w+):\/\//g)].map(([, name]) => `${name}:SASL_SSL`);
    expect(named.length).toBeGreaterThan(0);
    expect(map?.split(',').toSorted()).toEqual(named.toSorted());
  });

  test('ZooKeeper is set up like the one of the tests, and is reached by brokers alone', () => {
    const { environment, ports, networks } = secure.services['zookeeper'] ?? {};
    for (const [property, value] of lines('infra/secure/zoo.cfg'))
      expect(environment?.['KAFKA_OPTS']).toContain(`-Dzookeeper.${property}=${value}`);
    expect(ports?.every((port) => port.endsWith(':1235'))).toBe(true);
    expect(networks).toEqual(['zookeeper', 'prometheus']);
    expect(secure.networks['zookeeper']?.internal).toBe(true);
    const there = Object.entries(secure.services).filter(([, each]) => each.networks?.includes('zookeeper'));
    expect(there.map(([name]) => name)).toEqual(['zookeeper', 'first-users', 'kafka']);
  });

  test('PostgreSQL takes sessions over the network by TLS alone', () => {
    expect(secure.services['postgres']?.command).toContain('ssl=on');
    const rules = read('infra/secure/pg_hba.conf')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    for (const rule of rules) expect(rule).toMatch(/^(local|hostssl) /);
    for (const service of ['api', 'notification', 'audit'])
      expect(readFileSync(join(folder, `database-${service}.url`), 'utf8')).toContain(
        '?sslmode=verify-full&sslrootcert=',
      );
  });
});
