import { readdirSync, rmSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveJars } from './jars.ts';
import { BROKER_ID, kafkaIsReady, prepareKafka } from './kafka.ts';
import { clearAfterKill, preparePostgres } from './postgres.ts';
import { createServiceDatabase, postgresIsReady, setSuperuserPassword, throughSocket } from './postgres-database.ts';
import { freePorts } from './ports.ts';
import { endProcess, readPidFile, runningProcess, startProcess, writePidFile, type ProcessSpec } from './process.ts';
import { identify, isRunning, signal } from './process-identity.ts';
import { until } from './until.ts';
import { brokerIsUnregistered, prepareZooKeeper, zooKeeperIsReady } from './zookeeper.ts';

/** A part of the disposable stack that a test may stop and start. */
export type DisposablePart = 'zookeeper' | 'kafka' | 'postgres';

/** Everything about a running disposable stack. Plain data: it is handed from vitest's process to its workers. */
export interface DisposableStack {
  readonly home: string;
  /** `host:port` of the broker's external listener. */
  readonly kafkaBrokers: string;
  /** The folder of Kafka's jars, for a Java class path `<folder>/*`. */
  readonly kafkaJars: string;
  /** `host:port`. */
  readonly zooKeeper: string;
  /** The superuser's way to the database `postgres`. */
  readonly postgresUrl: string;
  readonly ports: { readonly kafka: number; readonly zooKeeper: number; readonly postgres: number };
  readonly parts: Readonly<Record<DisposablePart, ProcessSpec>>;
}

const PREFIX = 'bongsu-test-';
const PASSWORD = 'bongsu';

/**
 * Starts ZooKeeper, Kafka and PostgreSQL on free ports in a folder of their own, with the services' roles in the database
 * `bongsu`. Also clears away what an earlier run left that was killed.
 * @throws when a part does not start, with the end of its log; nothing is left running then
 */
export async function startDisposableStack(): Promise<DisposableStack> {
  await clearAbandonedStacks();
  // PostgreSQL's own user must get in, and mkdtemp lets only the caller.
  const home = await mkdtemp(join(tmpdir(), PREFIX));
  await chmod(home, 0o755);
  const self = identify(process.pid);
  if (self) writePidFile(join(home, 'owner.pid'), self);
  try {
    const stack = await prepare(home);
    // All three at once: Kafka waits for ZooKeeper by itself while its Java starts up.
    const started = await Promise.allSettled([
      startPart(stack, 'zookeeper'),
      startPart(stack, 'kafka', { mayBeRegistered: false }),
      startPostgres(stack),
    ]);
    // Only now: a part that is still being started when the stack is ended would be left over.
    for (const result of started) if (result.status === 'rejected') throw result.reason;
    return stack;
  } catch (error) {
    await endStack(home);
    throw error;
  }
}

async function prepare(home: string): Promise<DisposableStack> {
  const jars = await resolveJars(() => undefined);
  const [zooKeeper, external, internal, docker, postgres] = (await freePorts(5)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const pidFile = (name: string): string => join(home, `${name}.pid`);
  const parts = {
    zookeeper: await prepareZooKeeper({
      jars,
      home: join(home, 'zookeeper'),
      port: zooKeeper,
      pidFile: pidFile('zookeeper'),
    }),
    kafka: await prepareKafka({
      jars,
      home: join(home, 'kafka'),
      zooKeeperPort: zooKeeper,
      ports: { external, internal, docker },
      pidFile: pidFile('kafka'),
    }),
    postgres: (await preparePostgres({ home: join(home, 'postgres'), port: postgres, pidFile: pidFile('postgres') }))
      .spec,
  };
  return {
    home,
    kafkaBrokers: `127.0.0.1:${external}`,
    kafkaJars: jars.directory,
    zooKeeper: `127.0.0.1:${zooKeeper}`,
    postgresUrl: `postgres://postgres:${PASSWORD}@127.0.0.1:${postgres}/postgres`,
    ports: { kafka: external, zooKeeper, postgres },
    parts,
  };
}

async function startPostgres(stack: DisposableStack): Promise<void> {
  await startPart(stack, 'postgres');
  await throughSocket(stack.parts.postgres.cwd, stack.ports.postgres, async (superuser) => {
    await setSuperuserPassword(superuser, PASSWORD);
    await createServiceDatabase(superuser, 'bongsu');
  });
}

/**
 * Starts a part that a test has stopped or killed and waits until it answers.
 * @throws when it does not within 60 s, with the end of its log
 */
export async function startPart(
  stack: DisposableStack,
  part: DisposablePart,
  { mayBeRegistered = true }: { mayBeRegistered?: boolean } = {},
): Promise<void> {
  const spec = stack.parts[part];
  const { ports } = stack;
  if (part === 'kafka' && mayBeRegistered) await brokerIsUnregistered(ports.zooKeeper, BROKER_ID);
  if (part === 'postgres') await clearAfterKill(spec.cwd);
  const child = await startProcess(spec, { file: join(stack.home, `${part}.log`) });
  const ready = {
    zookeeper: () => zooKeeperIsReady(ports.zooKeeper),
    kafka: () => kafkaIsReady(ports.kafka),
    postgres: () => throughSocket(spec.cwd, ports.postgres, postgresIsReady),
  }[part];
  const alive = (): boolean => child.exitCode === null && child.signalCode === null;
  const reached = await until(async () => !alive() || (await ready()), { timeoutMs: 60_000, everyMs: 50 });
  if (reached && alive()) return;
  const log = await readFile(join(stack.home, `${part}.log`), 'utf8').catch(() => '');
  throw new Error(`${part} did not start\n${log.split('\n').slice(-30).join('\n')}`);
}

/**
 * Ends a part: in order, or at once (`SIGKILL`), or stops it where it is (`SIGSTOP`, undone by `SIGCONT`).
 * Resolves when it is gone (or stopped).
 */
export async function stopPart(
  stack: DisposableStack,
  part: DisposablePart,
  how: 'in order' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' = 'in order',
): Promise<void> {
  const spec = stack.parts[part];
  if (how === 'in order') return endProcess(spec.pidFile, { ...spec, graceMs: 15_000 });
  const running = runningProcess(spec.pidFile);
  if (!running) throw new Error(`${part} is not running`);
  signal(running, how);
  if (how === 'SIGKILL') await until(() => !isRunning(running), { timeoutMs: 5_000, everyMs: 10 });
}

/** Ends the stack and deletes its folder. */
export async function endStack(home: string): Promise<void> {
  await Promise.all(
    pidFiles(home).map((pidFile) =>
      // The data is deleted anyway: nobody needs to end in order, but PostgreSQL must give its shared memory back.
      endProcess(pidFile, { stopSignal: killSignal(pidFile), killSignal: 'SIGKILL', graceMs: 3_000 }),
    ),
  );
  await rm(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** The same at once, for an `exit` handler, which cannot wait for anything. */
export function endStackNow(home: string): void {
  for (const pidFile of pidFiles(home)) {
    const running = runningProcess(pidFile);
    if (running) signal(running, killSignal(pidFile));
  }
  try {
    rmSync(home, { recursive: true, force: true });
  } catch {
    // A process that is still ending writes there; the next run clears it away.
  }
}

function pidFiles(home: string): string[] {
  try {
    return readdirSync(home)
      .filter((name) => name.endsWith('.pid') && name !== 'owner.pid')
      .map((name) => join(home, name));
  } catch {
    return [];
  }
}

function killSignal(pidFile: string): NodeJS.Signals {
  return pidFile.endsWith('postgres.pid') ? 'SIGQUIT' : 'SIGKILL';
}

/** A run that was killed could not tidy up: its folder names it, and it is gone. */
async function clearAbandonedStacks(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const home = join(tmpdir(), name);
    // Never follow the pid files of a folder that another user has put there.
    const ours = await stat(home).then(
      ({ uid }) => uid === process.getuid?.(),
      () => false,
    );
    const owner = ours ? readPidFile(join(home, 'owner.pid')) : undefined;
    if (owner && !isRunning(owner)) await endStack(home);
  }
}
