import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KAFKA_SETTINGS, PRODUCER_SETTINGS, readSettings } from '@bongsu/config';
import { ServiceProcess, type ServiceName } from '@bongsu/testing';
import supertest from 'supertest';
import { buildApps } from '../../../tools/build/build-apps.ts';
import { endStack, startDisposableStack, type DisposableStack } from '../../../tools/stack/disposable.ts';
import { secretsIn, type StackSecrets } from '../../../tools/stack/secrets.ts';
import { serviceUrl } from '../../../tools/stack/postgres-database.ts';

const CLI = join(import.meta.dirname, '..', '..', '..', 'apps', 'cli', 'bin', 'bongsu.js');
export type Environment = Record<string, string>;

/** A stack in secure mode of its own, with topics and rights made by the CLI as an installation makes them. */
export class SecureSystem {
  readonly stack: DisposableStack;
  readonly secrets: StackSecrets;
  readonly #services: ServiceProcess[] = [];

  private constructor(stack: DisposableStack) {
    this.stack = stack;
    this.secrets = secretsIn(stack.secrets ?? '');
  }

  static async start({ postgres = true } = {}): Promise<SecureSystem> {
    await buildApps();
    const system = new SecureSystem(await startDisposableStack({ secure: true, postgres }));
    try {
      await system.cli(['topics', 'apply', '--yes']);
      await system.cli(['access', 'apply', '--yes', '--passwords', system.secrets.folder]);
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#services.map((service) => service.stop()));
    await endStack(this.stack.home);
  }

  /** How a Kafka user connects. */
  kafka(user: string): Environment {
    return {
      KAFKA_BROKERS: this.stack.kafkaBrokers,
      KAFKA_SSL: 'true',
      KAFKA_SSL_CA_FILE: this.secrets.ca,
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_USERNAME: user,
      KAFKA_SASL_PASSWORD_FILE: this.secrets.file(`${user}.password`),
    };
  }

  settings(user: string, more: Environment = {}) {
    return readSettings({ ...KAFKA_SETTINGS, ...PRODUCER_SETTINGS }, { ...this.kafka(user), ...more });
  }

  /** A service's way into the database: its role, its password, over TLS with the server's certificate checked. */
  async databaseUrl(service: ServiceName, { host = '127.0.0.1', password = '' } = {}): Promise<string> {
    const own = await readFile(this.secrets.file(`database-${service}.password`), 'utf8');
    const url = new URL(serviceUrl(service, this.stack.ports.postgres, 'bongsu', password || own.trim()));
    url.hostname = host;
    url.search = new URLSearchParams({ sslmode: 'verify-full', sslrootcert: this.secrets.ca }).toString();
    return url.href;
  }

  /** @param readyWithinMs 0 does not wait until it is ready */
  async startService(name: ServiceName, env: Environment = {}, readyWithinMs?: number): Promise<ServiceProcess> {
    const databaseUrl = join(this.stack.home, `${name}.url`);
    await writeFile(databaseUrl, await this.databaseUrl(name), { mode: 0o600 });
    const secret = (file: string): string => this.secrets.file(file);
    const service = await ServiceProcess.start({
      name,
      env: {
        ...this.kafka(`bongsu-${name}`),
        DATABASE_URL_FILE: databaseUrl,
        BOOTSTRAP_API_KEY_FILE: secret('api-key'),
        WEBHOOK_SIGNING_SECRET_FILE: secret('webhook-signing-secret'),
        WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
        AUDIT_SALT_KEY_FILE: secret('audit-salt-key'),
        AUDIT_SIGNING_KEY_FILE: secret('audit-signing-key'),
        AUDIT_CHECKPOINT_EVERY: '1s',
        LOG_LEVEL: 'debug',
        ...env,
      },
      ...(readyWithinMs === undefined ? {} : { readyWithinMs }),
    });
    this.#services.push(service);
    return service;
  }

  /** What every service and server has written, and how each process was called, by what it is. */
  async everythingSaid(): Promise<Map<string, string>> {
    const places = new Map<string, string>();
    for (const service of this.#services) {
      const place = `log of ${service.name}`;
      places.set(place, `${places.get(place) ?? ''}${service.log}`);
    }
    for (const [name, spec] of Object.entries(this.stack.parts)) {
      if (!spec) continue;
      places.set(`log of ${name}`, await readFile(join(this.stack.home, `${name}.log`), 'utf8'));
      places.set(`command line of ${name}`, [spec.command, ...spec.args].join(' '));
    }
    return places;
  }

  get apiKey(): string {
    return readFileSync(this.secrets.file('api-key'), 'utf8').trim();
  }

  request(service: ServiceProcess, method: 'get' | 'post', path: string): supertest.Test {
    return supertest(service.url)[method](path).set('Authorization', `Bearer ${this.apiKey}`);
  }

  /** `bongsu …` as a user. Rejects, with what it said, when it fails. */
  async cli(args: readonly string[], user = 'bongsu-admin', env: Environment = {}): Promise<string> {
    const child = spawn(process.execPath, [CLI, ...args], {
      env: { PATH: process.env['PATH'], ...this.kafka(user), ...env },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`bongsu ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }
}
