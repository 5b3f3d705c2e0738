import { execFileSync } from 'node:child_process';
import pg from 'pg';
import {
  endStack,
  specOf,
  startDisposableStack,
  type DisposablePart,
  type DisposableStack,
} from '../../tools/stack/disposable.ts';
import { createServiceDatabase, superuserOf } from '../../tools/stack/postgres-database.ts';
import { readPidFile } from '../../tools/stack/process.ts';
import { cpuSeconds } from './cpu.ts';
import { killPrograms, startFile, type Program } from './programs.ts';
import { CLI, environment } from './services.ts';
import { Topics } from './topics.ts';

/** What all workloads share: the servers, and how large a round is. */
export interface Bench {
  readonly stack: DisposableStack;
  readonly topics: Topics;
  readonly database: pg.Pool;
  /** The superuser's URL of the database of the arms that are not ours. */
  readonly armsUrl: string;
  /** 1 for a round as it is meant, less for a quick look. */
  readonly size: number;
  readonly say: (line: string) => void;
}

/** The database of the arms that are not ours; each has a schema of its own. */
const ARMS_DATABASE = 'arms';

export async function withBench<T>(
  size: number,
  say: (line: string) => void,
  work: (bench: Bench) => Promise<T>,
): Promise<T> {
  const stack = await startDisposableStack();
  try {
    const superuser = superuserOf(stack.postgresUrl);
    await createServiceDatabase(superuser, 'bongsu');
    const admin = new pg.Client({ ...superuser, database: 'postgres' });
    await admin.connect();
    await admin.query(`CREATE DATABASE ${ARMS_DATABASE}`);
    await admin.end();
    const armsUrl = stack.postgresUrl.replace(/\/postgres(\?|$)/, `/${ARMS_DATABASE}$1`);
    const database = new pg.Pool({ connectionString: armsUrl, max: 4 });
    database.on('error', () => undefined);
    const topics = await Topics.connect(stack.kafkaBrokers);
    try {
      return await work({ stack, topics, database, armsUrl, size, say });
    } finally {
      await topics.close().catch(() => undefined);
      await database.end().catch(() => undefined);
    }
  } finally {
    killPrograms();
    await endStack(stack.home);
  }
}

/** The system's own topics, under a prefix: an installation of its own on the same Kafka. */
export function applyTopics(stack: DisposableStack, env: NodeJS.ProcessEnv): void {
  execFileSync(process.execPath, [CLI, 'topics', 'apply', '--yes'], {
    env: { ...environment(stack), ...env },
    stdio: 'ignore',
  });
}

export interface Measured<T> {
  readonly result: T;
  readonly seconds: number;
  readonly cpu: Readonly<Record<string, number>>;
}

/** Runs `work` and tells the CPU seconds that the given processes, Kafka, ZooKeeper and PostgreSQL used meanwhile. */
export async function measured<T>(
  { stack }: Pick<Bench, 'stack'>,
  pids: Readonly<Record<string, number>>,
  work: () => Promise<T>,
): Promise<Measured<T>> {
  const roots = { ...pids, ...partPids(stack) };
  const read = (): [string, number][] => Object.entries(roots).map(([name, pid]) => [name, cpuSeconds([pid])]);
  const before = new Map(read());
  const began = performance.now();
  const result = await work();
  const seconds = (performance.now() - began) / 1000;
  const cpu = Object.fromEntries(read().map(([name, used]) => [name, used - before.get(name)!]));
  return { result, seconds, cpu };
}

export function partPids(stack: DisposableStack): Record<string, number> {
  const parts: DisposablePart[] = ['kafka', 'postgres', 'zookeeper'];
  return Object.fromEntries(parts.map((name) => [name, readPidFile(specOf(stack, name).pidFile)?.pid ?? 0]));
}

/** The process that makes the load; one serves all arms of a workload. */
export const startLoad = (): Promise<Program> => startFile('load', new URL('load.ts', import.meta.url).pathname, {});
