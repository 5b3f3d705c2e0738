import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ServiceProcess, type ServiceName } from '@bongsu/testing';
import pg from 'pg';
import { startPart, stopPart, type DisposablePart, type DisposableStack } from '../../tools/stack/disposable.ts';
import { createServiceDatabase, serviceUrl, superuserOf } from '../../tools/stack/postgres-database.ts';
import { askKafka } from './ask-kafka.ts';
import type { Fault } from './fault.ts';
import { processesWith } from './processes.ts';

export const API_KEY = 'faults-0123456789abcdef0123456789abcdef';
/** Provider calls whose outcome is not recorded yet, at most, per process: as many may be repeated after a kill. */
export const CONCURRENCY = 64;
/** Shorter than in production, so that a suite takes an hour and not a day; docs/faults.md lists them. */
export const SETTINGS = {
  DISPATCH_CONCURRENCY: String(CONCURRENCY),
  LEASE_TIME: '3s',
  CLAIM_INTERVAL: '100ms',
  PROVIDER_TIMEOUT: '2s',
  RETRY_SCHEDULE: Array.from({ length: 60 }, () => '500ms').join(','),
};
const CLI = join(import.meta.dirname, '..', '..', 'apps', 'cli', 'bin', 'bongsu.js');
const SERVICES: readonly ServiceName[] = ['api', 'notification', 'audit'];

export interface SystemOptions {
  readonly stack: DisposableStack;
  readonly settings: Readonly<Record<string, string>>;
  /** Over those, of the api alone. */
  readonly apiSettings: Readonly<Record<string, string>>;
  /** How many of each service; default one. */
  readonly replicas: Readonly<Record<string, number>>;
  /** `host:port` of brokers instead of the stack's own, for a proxy in between. */
  readonly brokers: string | undefined;
  /** The port by which services reach PostgreSQL, for a proxy in between. */
  readonly postgresPort: number | undefined;
  /** Makes the database, where it is to be a special one; gives how to clear up. */
  readonly prepare: Fault['prepare'];
}

/** The services as processes, with topics and a database of their own on a stack that others use after them. */
export class System {
  readonly prefix = `faults-${randomBytes(3).toString('hex')}.`;
  readonly stack: DisposableStack;
  readonly #services = new Map<string, ServiceProcess>();
  /** Those that the suite itself has taken away. */
  readonly #down = new Set<string>();
  readonly #options: SystemOptions;
  readonly #database: string;
  #clearUp: (() => Promise<void>) | undefined;

  private constructor(options: SystemOptions) {
    this.#options = options;
    this.stack = options.stack;
    this.#database = this.prefix.replaceAll(/\W/g, '_');
  }

  static async start(options: SystemOptions): Promise<System> {
    const system = new System(options);
    try {
      await system.#start();
      return system;
    } catch (error) {
      await system.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { stack, prepare } = this.#options;
    this.#clearUp = await prepare?.(stack, this.#database);
    await createServiceDatabase(superuserOf(stack.postgresUrl), this.#database);
    const applied = await this.cli('topics', 'apply', '--yes');
    if (applied.code !== 0) throw new Error(`topics apply: ${applied.output}`);
    const started = await Promise.allSettled(this.names.map((name) => this.startService(name)));
    // Only now: one that is still being started when the system is closed would be left over.
    for (const result of started) if (result.status === 'rejected') throw result.reason;
  }

  /** `api`, `notification`, `audit`; of several alike, the others are `notification-2` and so on. */
  get names(): string[] {
    return SERVICES.flatMap((name) =>
      Array.from({ length: this.#options.replicas[name] ?? 1 }, (_, n) => (n === 0 ? name : `${name}-${n + 1}`)),
    );
  }

  get apiUrl(): string {
    return this.service('api').url;
  }

  /** The superuser's way into this system's database, not through any proxy. */
  get databaseUrl(): string {
    const url = new URL(this.stack.postgresUrl);
    url.pathname = `/${this.#database}`;
    return url.href;
  }

  service(name: string): ServiceProcess {
    const service = this.#services.get(name);
    if (!service) throw new Error(`${name} was not started`);
    return service;
  }

  /** @param readyWithinMs 0 does not wait; default: as long as a start may take on a busy machine */
  async startService(name: string, readyWithinMs = 60_000, settings: Record<string, string> = {}): Promise<void> {
    const service = name.replace(/-\d+$/, '') as ServiceName;
    const started = await ServiceProcess.start({
      name: service,
      env: { ...this.#env(service), ...settings },
      readyWithinMs,
    });
    this.#services.set(name, started);
  }

  /** Like `kill -9`; nobody starts it again until `restart`. */
  async kill(name: string): Promise<void> {
    this.#down.add(name);
    await this.service(name).kill();
  }

  /** Asks it to end, and waits; gives its exit code. */
  end(name: string): Promise<number | null> {
    this.#down.add(name);
    return this.service(name).stop();
  }

  async restart(name: string): Promise<void> {
    await this.startService(name);
    this.#down.delete(name);
  }

  async killAndRestart(name: string): Promise<void> {
    await this.kill(name);
    await this.restart(name);
  }

  async isReady(): Promise<boolean> {
    const answers = [...this.#services.values()].map(({ managementUrl }) =>
      fetch(`${managementUrl}/health/ready`, { signal: AbortSignal.timeout(3_000) }),
    );
    const settled = await Promise.allSettled(answers);
    return settled.every((answer) => answer.status === 'fulfilled' && answer.value.ok);
  }

  /** Starts again what has ended by itself, as a supervisor would, until `stop`; `ended` is told which, and its last words. */
  async supervise(until: AbortSignal, ended: (name: string, lastWords: string) => void): Promise<void> {
    while (!until.aborted) {
      for (const [name, service] of this.#services) {
        if (service.running || this.#down.has(name)) continue;
        ended(name, service.log.trim().split('\n').at(-1) ?? '');
        await this.startService(name, 0);
      }
      await sleep(500);
    }
  }

  async stop(): Promise<(number | null)[]> {
    return Promise.all([...this.#services.values()].map((service) => service.stop()));
  }

  /** Processes that have this system's topics in their environment: its services, and whatever they started. */
  get processes(): number[] {
    return processesWith(`KAFKA_TOPIC_PREFIX=${this.prefix}`);
  }

  /** Stops what still runs, and clears up: hundreds of topics of earlier faults would make a later start of Kafka slow. */
  async close(): Promise<void> {
    await Promise.all([...this.#services.values()].map((service) => service.kill()));
    for (const pid of this.processes) process.kill(pid, 'SIGKILL');
    // What a fault that failed has left broken cannot be asked; its stack is ended after it.
    await Promise.race([this.#deleteTopics().catch(() => undefined), sleep(20_000, undefined, { ref: false })]);
    await this.#dropDatabase().catch(() => undefined);
    await this.#clearUp?.();
    this.#clearUp = undefined;
  }

  #deleteTopics(): Promise<void> {
    return askKafka(this, async (admin) => {
      const topics = (await admin.listTopics()).filter((name) => name.startsWith(this.prefix));
      await admin.deleteTopics({ topics });
    });
  }

  async #dropDatabase(): Promise<void> {
    const client = new pg.Client({ connectionString: this.stack.postgresUrl });
    await client.connect();
    await client.query(`DROP DATABASE IF EXISTS ${this.#database} WITH (FORCE)`);
    await client.end();
  }

  stopPart(part: DisposablePart, how: 'in order' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    return stopPart(this.stack, part, how);
  }

  startPart(part: DisposablePart): Promise<void> {
    return startPart(this.stack, part);
  }

  /** Parts of a kind, such as the brokers of a cluster. */
  parts(kind: 'kafka' | 'zookeeper'): DisposablePart[] {
    return this.stack.servers.filter((server) => server.kind === kind).map(({ spec }) => spec.name as DisposablePart);
  }

  async cli(...args: string[]): Promise<{ code: number; output: string }> {
    const services = Object.fromEntries(
      [...this.#services].map(([name, { url }]) => [`BONGSU_${name.toUpperCase()}_URL`, url]),
    );
    const env = { PATH: process.env['PATH'], ...this.#env('api'), ...services, BONGSU_API_KEY: API_KEY };
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [CLI, ...args], { env });
      return { code: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, output: stdout + stderr };
    }
  }

  #env(service: ServiceName): Record<string, string> {
    const { stack, settings, apiSettings, brokers, postgresPort } = this.#options;
    return {
      KAFKA_BROKERS: brokers ?? stack.kafkaBrokers,
      KAFKA_TOPIC_PREFIX: this.prefix,
      DATABASE_URL: serviceUrl(service, postgresPort ?? stack.ports.postgres, this.#database),
      BOOTSTRAP_API_KEY: API_KEY,
      WEBHOOK_SIGNING_SECRET: 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=',
      WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
      LOG_LEVEL: 'warn',
      ...SETTINGS,
      ...settings,
      ...(service === 'api' ? apiSettings : {}),
    };
  }
}
