import { readdirSync, rmSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveJars } from './jars.ts';
import { prepareJavaServers, prepareBroker, type JavaServer } from './disposable-servers.ts';
import { kafkaIsReady } from './kafka.ts';
import { prepareKraftServer } from './kraft.ts';
import { clearAfterKill, preparePostgres } from './postgres.ts';
import { createServiceDatabase, postgresIsReady, setSuperuserPassword, throughSocket } from './postgres-database.ts';
import { freePorts } from './ports.ts';
import { makeSecrets, passwordOf, registerFirstUsers, rolePasswordsIn, secretsIn } from './secrets.ts';
import { endProcess, readPidFile, runningProcess, startProcess, writePidFile, type ProcessSpec } from './process.ts';
import { identify, isRunning, signal } from './process-identity.ts';
import { until } from './until.ts';
import { brokerIsUnregistered, zooKeeperIsReady } from './zookeeper.ts';

/** A part of the disposable stack that a test may stop and start; of a cluster, those with a number. */
export type DisposablePart = 'postgres' | 'zookeeper' | 'kafka' | `zookeeper-${number}` | `kafka-${number}`;

/** Everything about a running disposable stack. Plain data: it is handed from vitest's process to its workers. */
export interface DisposableStack {
  readonly home: string;
  /** `host:port` of the brokers' external listeners, comma-separated. */
  readonly kafkaBrokers: string;
  /** The folder of Kafka's jars, for a Java class path `<folder>/*`. */
  readonly kafkaJars: string;
  /** `host:port` of every ZooKeeper, comma-separated; empty without. */
  readonly zooKeeper: string;
  /** The superuser's way to the database `postgres`. */
  readonly postgresUrl: string;
  /** Of a cluster: the first broker's and the first ZooKeeper's. */
  readonly ports: { readonly kafka: number; readonly zooKeeper: number; readonly postgres: number };
  readonly parts: Readonly<Partial<Record<DisposablePart, ProcessSpec>>>;
  /** Brokers and ZooKeepers. */
  readonly servers: readonly JavaServer[];
  /** The folder of certificates and passwords (infra/secure/make-secrets), in secure mode. */
  readonly secrets?: string | undefined;
}

export interface DisposableOptions {
  /** Three ZooKeepers (`zookeeper-1` to `-3`) and three brokers (`kafka-1` to `-3`, ids 1 to 3), replication factor 3. Default: one of each. */
  readonly cluster?: boolean;
  /** Default true. */
  readonly postgres?: boolean;
  /** TLS, users and rights everywhere (docs/secure.md), of a single broker. Rights are made by `bongsu access apply`. Default false. */
  readonly secure?: boolean;
  /** A single broker without ZooKeeper (docs/kraft.md). Default false. */
  readonly kraft?: boolean;
  /** Kafka and ZooKeeper with the JMX exporter's agent (`servers[].metrics`). Default false: it costs each start a second. */
  readonly metrics?: boolean;
}

const PREFIX = 'bongsu-test-';
const PASSWORD = 'bongsu';

/**
 * Starts ZooKeeper, Kafka and PostgreSQL on free ports in a folder of their own, with the services' roles in the database
 * `bongsu`. Also clears away what an earlier run left that was killed.
 * @throws when a part does not start, with the end of its log; nothing is left running then
 */
export async function startDisposableStack(options: DisposableOptions = {}): Promise<DisposableStack> {
  await clearAbandonedStacks();
  // PostgreSQL's own user must get in, and mkdtemp lets only the caller.
  const home = await mkdtemp(join(tmpdir(), PREFIX));
  await chmod(home, 0o755);
  const self = identify(process.pid);
  if (self) writePidFile(join(home, 'owner.pid'), self);
  try {
    const stack = await prepare(home, options);
    const start = (server: JavaServer): Promise<void> =>
      startPart(stack, server.spec.name as DisposablePart, { mayBeRegistered: false });
    // All at once: Kafka waits for ZooKeeper by itself while its Java starts up.
    const started = await Promise.allSettled([
      ...(stack.secrets === undefined ? stack.servers.map(start) : [startSecured(stack, start)]),
      ...(stack.parts.postgres ? [startPostgres(stack)] : []),
    ]);
    // Only now: a part that is still being started when the stack is ended would be left over.
    for (const result of started) if (result.status === 'rejected') throw result.reason;
    return stack;
  } catch (error) {
    await endStack(home);
    throw error;
  }
}

/** A broker must find itself among the users when it starts. */
async function startSecured(stack: DisposableStack, start: (server: JavaServer) => Promise<void>): Promise<void> {
  const [brokers, zooKeepers] = [true, false].map((of) =>
    stack.servers.filter(({ kind }) => (kind === 'kafka') === of),
  );
  for (const server of zooKeepers ?? []) await start(server);
  await registerFirstUsers(await resolveJars(), stack.zooKeeper, secretsIn(stack.secrets ?? ''));
  for (const server of brokers ?? []) await start(server);
}

async function prepare(
  home: string,
  { cluster = false, postgres: withPostgres = true, secure = false, metrics = false, kraft = false }: DisposableOptions,
): Promise<DisposableStack> {
  if (cluster && secure)
    throw new Error('a cluster in secure mode is not provided for: its ZooKeepers would not log in');
  if (kraft && (cluster || secure)) throw new Error('without ZooKeeper there is a single broker, in the clear');
  const jars = await resolveJars(() => undefined);
  const secrets = secure ? await makeSecrets(join(home, 'secrets')) : undefined;
  const servers = kraft
    ? [await prepareKraftServer(jars, home)]
    : await prepareJavaServers(jars, home, cluster ? 3 : 1, { secrets, metrics });
  const [postgresPort] = (await freePorts(1, takenBy(servers))) as [number];
  const postgres = withPostgres
    ? (
        await preparePostgres({
          home: join(home, 'postgres'),
          port: postgresPort,
          secrets,
          pidFile: join(home, 'postgres.pid'),
        })
      ).spec
    : undefined;
  const password = secrets ? await passwordOf(secrets, 'postgres') : PASSWORD;
  return described({
    home,
    kafkaJars: jars.directory,
    postgresUrl: `postgres://postgres:${password}@127.0.0.1:${postgresPort}/postgres${verified(secrets?.ca)}`,
    secrets: secrets?.folder,
    postgresPort,
    servers,
    postgres,
  });
}

const verified = (ca: string | undefined): string =>
  ca === undefined ? '' : `?sslmode=verify-full&sslrootcert=${encodeURIComponent(ca)}`;
const addresses = (ports: readonly number[]): string => ports.map((port) => `127.0.0.1:${port}`).join(',');
const takenBy = (servers: readonly JavaServer[]): number[] => servers.flatMap(({ ports }) => ports);

function described(given: {
  home: string;
  kafkaJars: string;
  postgresUrl: string;
  postgresPort: number;
  servers: readonly JavaServer[];
  postgres: ProcessSpec | undefined;
  secrets?: string | undefined;
}): DisposableStack {
  const { postgresPort, postgres, ...rest } = given;
  const of = (kind: JavaServer['kind']): number[] =>
    given.servers.filter((server) => server.kind === kind).map(({ port }) => port);
  return {
    ...rest,
    kafkaBrokers: addresses(of('kafka')),
    zooKeeper: addresses(of('zookeeper')),
    ports: { kafka: of('kafka')[0] ?? 0, zooKeeper: of('zookeeper')[0] ?? 0, postgres: postgresPort },
    parts: {
      ...Object.fromEntries(given.servers.map(({ spec }) => [spec.name, spec])),
      ...(postgres ? { postgres } : {}),
    },
  };
}

/** The cluster with one more broker, with the next id; it runs and holds nothing yet. */
export async function addBroker(stack: DisposableStack): Promise<DisposableStack> {
  const jars = await resolveJars(() => undefined);
  const broker = await prepareBroker(jars, stack.home, stack.servers, takenBy(stack.servers));
  const grown = described({
    ...stack,
    postgresPort: stack.ports.postgres,
    postgres: stack.parts.postgres,
    servers: [...stack.servers, broker],
  });
  await startPart(grown, broker.spec.name as DisposablePart);
  return grown;
}

async function startPostgres(stack: DisposableStack): Promise<void> {
  await startPart(stack, 'postgres');
  const { password } = new URL(stack.postgresUrl);
  const rolePasswords = stack.secrets === undefined ? {} : await rolePasswordsIn(secretsIn(stack.secrets));
  await throughSocket(specOf(stack, 'postgres').cwd, stack.ports.postgres, async (superuser) => {
    await setSuperuserPassword(superuser, password);
    await createServiceDatabase(superuser, 'bongsu', rolePasswords);
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
  const spec = specOf(stack, part);
  const server = stack.servers.find((each) => each.spec.name === part);
  const zooKeepers = stack.servers.filter(({ kind }) => kind === 'zookeeper').map(({ port }) => port);
  if (server?.kind === 'kafka' && mayBeRegistered && zooKeepers.length > 0)
    await brokerIsUnregistered(zooKeepers, server.id);
  if (part === 'postgres') await clearAfterKill(spec.cwd);
  const child = await startProcess(spec, { file: join(stack.home, `${part}.log`) });
  const ready = async (): Promise<boolean> => {
    if (!server) return throughSocket(spec.cwd, stack.ports.postgres, postgresIsReady);
    const ca = stack.secrets === undefined ? undefined : secretsIn(stack.secrets).ca;
    return server.kind === 'kafka' ? kafkaIsReady(server.port, ca) : zooKeeperIsReady(server.port);
  };
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
  const spec = specOf(stack, part);
  if (how === 'in order') return endProcess(spec.pidFile, { ...spec, graceMs: 15_000 });
  const running = runningProcess(spec.pidFile);
  if (!running) throw new Error(`${part} is not running`);
  signal(running, how);
  if (how === 'SIGKILL') await until(() => !isRunning(running), { timeoutMs: 5_000, everyMs: 10 });
}

/** How a part is started, and where its pid file is. */
export function specOf(stack: DisposableStack, part: DisposablePart): ProcessSpec {
  const spec = stack.parts[part];
  if (!spec) throw new Error(`this stack has no part ${part}, but ${Object.keys(stack.parts).join(', ')}`);
  return spec;
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
