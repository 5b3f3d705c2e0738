import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ServiceProcess, type ServiceName } from '@bongsu/testing';
import supertest from 'supertest';
import { inject } from 'vitest';
import type { DisposableStack } from '../../../tools/stack/disposable.ts';
import { createServiceDatabase, serviceUrl, superuserOf } from '../../../tools/stack/postgres-database.ts';

export const API_KEY = 'e2e-0123456789abcdef0123456789abcdef';
export const WEBHOOK_SECRET = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
const CLI = join(import.meta.dirname, '..', '..', '..', 'apps', 'cli', 'bin', 'bongsu.js');

export interface Notification {
  id: string;
  status: string;
  recipient: { id: string };
  deliveries: {
    id: string;
    channel: string;
    provider?: string;
    status: string;
    attempts: { number: number; startedAt: string; durationMs: number; outcome: string; error?: { code: string } }[];
    nextAttemptAt?: string;
  }[];
}

/**
 * The three services as processes of their own, on the run's Kafka and PostgreSQL, with topics and a database of their own, so
 * that test files do not meet.
 */
export class System {
  readonly prefix: string;
  readonly #env: Record<string, string>;
  readonly #services = new Map<ServiceName, ServiceProcess>();
  readonly #database: string;
  readonly #stack: DisposableStack;

  private constructor(name: string, env: Record<string, string>, stack: DisposableStack) {
    this.#stack = stack;
    this.prefix = `${name}-${randomBytes(3).toString('hex')}.`;
    this.#database = this.prefix.replaceAll(/\W/g, '_');
    this.#env = {
      KAFKA_BROKERS: stack.kafkaBrokers,
      KAFKA_TOPIC_PREFIX: this.prefix,
      BOOTSTRAP_API_KEY: API_KEY,
      WEBHOOK_SIGNING_SECRET: WEBHOOK_SECRET,
      WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
      LOG_LEVEL: 'info',
      ...env,
    };
  }

  /** Makes topics and database; starts the services that are named. On the run's own stack, unless another one is given. */
  static async start(
    name: string,
    services: readonly ServiceName[],
    env: Record<string, string> = {},
    stack = inject('bongsu'),
  ): Promise<System> {
    const system = new System(name, env, stack);
    await Promise.all([
      createServiceDatabase(superuserOf(stack.postgresUrl), system.#database),
      system.cli(['topics', 'apply', '--yes']),
    ]);
    await Promise.all(services.map((service) => system.startService(service)));
    return system;
  }

  /** @param readyWithinMs 0 does not wait until it is ready */
  async startService(
    name: ServiceName,
    env: Record<string, string> = {},
    readyWithinMs?: number,
  ): Promise<ServiceProcess> {
    const service = await ServiceProcess.start({
      name,
      env: { ...this.#env, DATABASE_URL: this.databaseUrlOf(name), ...env },
      ...(readyWithinMs === undefined ? {} : { readyWithinMs }),
    });
    this.#services.set(name, service);
    return service;
  }

  service(name: ServiceName): ServiceProcess {
    const service = this.#services.get(name);
    if (!service) throw new Error(`${name} was not started`);
    return service;
  }

  /** Kills a service as a power cut would, and starts it again. */
  async killAndRestart(name: ServiceName): Promise<void> {
    await this.service(name).kill();
    await this.startService(name);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#services.values()].map((service) => service.stop()));
  }

  /** A service's own way into this system's database. */
  databaseUrlOf(name: ServiceName): string {
    return serviceUrl(name, this.#stack.ports.postgres, this.#database);
  }

  /** The superuser's way into this system's database. */
  get databaseUrl(): string {
    const url = new URL(this.#stack.postgresUrl);
    url.pathname = `/${this.#database}`;
    return url.href;
  }

  async cli(
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = spawn(process.execPath, [CLI, ...args], {
      env: {
        PATH: process.env['PATH'],
        ...this.#env,
        BONGSU_API_KEY: API_KEY,
        BONGSU_API_URL: this.#services.get('api')?.url,
        BONGSU_AUDIT_URL: this.#services.get('audit')?.url,
        ...env,
      },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = (await once(child, 'close')) as [number];
    if (args[0] === 'topics' && code !== 0) throw new Error(`topics apply failed: ${stderr}${stdout}`);
    return { code, stdout, stderr };
  }

  request(method: 'get' | 'post', path: string): supertest.Test {
    return supertest(this.service('api').url)[method](path).set('Authorization', `Bearer ${API_KEY}`);
  }

  /** Posts a notification that must be accepted; gives its id. */
  async send(body: object, headers: Record<string, string> = {}): Promise<string> {
    const answer = await this.request('post', '/v1/notifications').set(headers).send(body).expect(202);
    return (answer.body as { id: string }).id;
  }

  async notification(id: string): Promise<Notification> {
    return (await this.request('get', `/v1/notifications/${id}`).expect(200)).body as Notification;
  }

  /** All notifications, newest first. */
  async notifications(): Promise<Notification[]> {
    const all: Notification[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const next = cursor && `&cursor=${encodeURIComponent(cursor)}`;
      const { body } = await this.request('get', `/v1/notifications?limit=100${next}`).expect(200);
      const page = body as { data: Notification[]; nextCursor: string | null };
      all.push(...page.data);
      cursor = page.nextCursor;
    }
    return all;
  }
}
