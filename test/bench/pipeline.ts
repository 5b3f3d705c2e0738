import { join } from 'node:path';
import pg from 'pg';
import { mainOf } from '../../tools/build/build-apps.ts';
import { createServiceDatabase, serviceUrl, superuserOf } from '../../tools/stack/postgres-database.ts';
import { GateError } from './arm.ts';
import { applyTopics, type Bench } from './bench.ts';
import { Program, programFile } from './programs.ts';
import { start, type Running } from './services.ts';
import { compareIds } from './topics.ts';

export const REQUESTS = 'notification.requests.normal.v1';
const EVENTS = 'notification.events.v1';
/** A folder for CPU profiles of the notification service: what they cost makes the figures worth nothing. */
const PROFILE = process.env['BENCH_PROFILE'];
/** For facts to be in Kafka after the last delivery was settled, milliseconds. */
const FACTS_MS = 10_000;

export interface PipelineOptions {
  /** Of its topics and its group, and the name of its database. */
  readonly name: string;
  readonly replicas?: number;
  /** Called when the ledger is there and empty, with a way to it as the service's own role. */
  readonly prepare?: (ledger: pg.ClientConfig) => Promise<void>;
  readonly env?: Readonly<Record<string, string>>;
}

/** The notification service, as it ships, on topics and a database of its own; its provider is a timer (arms/src/provider.ts). */
export class Pipeline {
  readonly prefix: string;
  readonly databaseName: string;
  readonly database: pg.Pool;
  readonly #bench: Bench;
  readonly #replicas: readonly { running: Running; program: Program }[];

  private constructor(bench: Bench, name: string, database: pg.Pool, replicas: readonly Running[]) {
    this.#bench = bench;
    this.prefix = prefixOf(name);
    this.databaseName = databaseOf(name);
    this.database = database;
    this.#replicas = replicas.map((running) => ({ running, program: new Program('notification', running.child) }));
  }

  static async start(bench: Bench, { name, replicas = 1, prepare, env = {} }: PipelineOptions): Promise<Pipeline> {
    const { stack } = bench;
    const prefix = prefixOf(name);
    const databaseName = databaseOf(name);
    const superuser = superuserOf(stack.postgresUrl);
    await createServiceDatabase(superuser, databaseName);
    applyTopics(stack, { KAFKA_TOPIC_PREFIX: prefix, ...env });
    const database = new pg.Pool({ ...superuser, database: databaseName, max: 2 });
    database.on('error', () => undefined);
    const running: Running[] = [];
    for (let i = 0; i < replicas; i++) {
      running.push(
        await start('notification', stack, {
          KAFKA_TOPIC_PREFIX: prefix,
          DATABASE_URL: serviceUrl('notification', stack.ports.postgres, databaseName),
          ...withTimedProvider(),
          ...env,
        }),
      );
    }
    const connectionString = serviceUrl('notification', stack.ports.postgres, databaseName);
    await prepare?.({ connectionString, options: '-c search_path=notification' });
    return new Pipeline(bench, name, database, running);
  }

  get pids(): Record<string, number> {
    return Object.fromEntries(
      this.#replicas.map(({ program }, i) => [i === 0 ? 'notification' : `notification ${i + 1}`, program.pid]),
    );
  }

  /** Holds the intake back, while Kafka is filled. */
  async pause(providerMs: number): Promise<void> {
    for (const { program } of this.#replicas) {
      await program.ask({ do: 'order' }, 'order');
      await program.ask({ do: 'delay', ms: providerMs }, 'delayed');
      await program.ask({ do: 'pause' }, 'paused');
    }
  }

  /** Lets the intake go on; resolves when it has begun, with what resolves when `count` more were delivered. */
  async begin(count: number): Promise<{ done: Promise<unknown> }> {
    const before = await this.delivered();
    const begun = this.#replicas.map(({ program }) => program.hear('begun', 60));
    // Of several, one may get nothing this time.
    for (const each of begun) each.catch(() => undefined);
    for (const { program } of this.#replicas) program.say({ do: 'resume' });
    await Promise.any(begun);
    return { done: this.reach(before + count) };
  }

  /** Resolves when that many were delivered in all. */
  async reach(target: number): Promise<void> {
    const [only, ...others] = this.#replicas;
    if (others.length === 0) {
      await only!.program.ask({ do: 'until', target }, 'done', 300);
      return;
    }
    for (let waited = 0; (await this.delivered()) < target; waited += 10) {
      if (waited > 300_000) throw new Error('not all were delivered');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** How many it has delivered so far. */
  async delivered(): Promise<number> {
    const counts = await Promise.all(
      this.#replicas.map(({ program }) => program.ask<number>({ do: 'until', target: 0 }, 'done')),
    );
    return counts.reduce((sum, each) => sum + each, 0);
  }

  factsWritten(): Promise<number> {
    return this.#bench.topics.written(this.prefix + EVENTS);
  }

  /** @throws GateError unless each id was delivered once, by one call in order, and its facts were published */
  async check(ids: readonly string[], factsBefore: number): Promise<void> {
    const { rows } = await this.database.query<{ id: string }>(
      `SELECT notification_id AS id FROM notification.deliveries
        WHERE notification_id = ANY($1) AND status = 'delivered' AND attempts = 1 AND ended_at IS NOT NULL`,
      [ids],
    );
    compareIds(
      `ledger of ${this.prefix}`,
      ids,
      rows.map(({ id }) => id),
    );
    let calls = 0;
    for (const { program } of this.#replicas) {
      const order = await program.ask<{ calls: number; disorder: number }>({ do: 'order' }, 'order');
      if (order.disorder > 0) throw new GateError(`${order.disorder} calls of the provider were out of order`);
      calls += order.calls;
    }
    if (calls !== ids.length) throw new GateError(`${calls} calls of the provider for ${ids.length} notifications`);
    for (let waited = 0; (await this.factsWritten()) - factsBefore < ids.length; waited += 50) {
      if (waited > FACTS_MS) throw new GateError(`facts are missing in ${this.prefix}${EVENTS}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** When the provider was called since the last time, by number, milliseconds since 1970. */
  async callTimes(): Promise<[n: number, at: number][]> {
    const all: [number, number][][] = [];
    for (const { program } of this.#replicas) all.push(await program.ask<[number, number][]>({ do: 'time' }, 'times'));
    return all.flat();
  }

  async end(): Promise<void> {
    // A profile is written by a process that ends by itself.
    for (const { program } of this.#replicas) await program.end(PROFILE === undefined ? 'SIGKILL' : 'SIGTERM');
    await this.database.end();
  }
}

const prefixOf = (name: string): string => `${name}.`;
const databaseOf = (name: string): string => `bongsu_${name.replaceAll('-', '_')}`;

/** How a notification service is started whose channel `log` takes as long as it is told to. */
function withTimedProvider(): Record<string, string> {
  const built = join(mainOf('notification'), '..', '..', '..', '..');
  const profile = PROFILE === undefined ? '' : ` --cpu-prof --cpu-prof-dir=${PROFILE}`;
  return { NODE_OPTIONS: `--import=${programFile('provider')}${profile}`, BENCH_NOTIFICATION: built };
}
