import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, readFile, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { identify, processesIn, signal } from './process-identity.ts';
import type { ProcessSpec } from './process.ts';
import { postgresPrograms, postgresUser, type PostgresPrograms, type PostgresUser } from './postgres-files.ts';
import { SECURE_INFRA, type StackSecrets } from './secrets.ts';
import { until } from './until.ts';

const INFRA = join(import.meta.dirname, '..', '..', 'infra', 'postgres');

export interface PostgresOptions {
  /** Where its data is kept. */
  readonly home: string;
  readonly port: number;
  /** Secure mode: sessions over the network by TLS alone. */
  readonly secrets?: StackSecrets | undefined;
  readonly pidFile: string;
}

export interface PreparedPostgres {
  readonly spec: ProcessSpec;
  /** The folder of its socket, through which the superuser needs no password. */
  readonly socketFolder: string;
}

/** Makes the data folder where there is none, writes PostgreSQL's configuration and says how to start it. */
export async function preparePostgres({ home, port, secrets, pidFile }: PostgresOptions): Promise<PreparedPostgres> {
  await mkdir(home, { recursive: true });
  const data = join(await realpath(home), 'data');
  const user = await postgresUser(data);
  const programs = await postgresPrograms(user);
  if (!(await stat(data).catch(() => undefined))) await initialise(data, programs, user);
  const files = [
    join(INFRA, 'postgresql.conf'),
    join(secrets ? SECURE_INFRA : INFRA, 'pg_hba.conf'),
    // PostgreSQL takes no key that is another user's, or that others could read.
    ...(secrets ? [secrets.file('postgres.crt'), secrets.file('postgres.key')] : []),
  ];
  for (const file of files) {
    const copy = join(data, basename(file));
    await copyFile(file, copy);
    await chmod(copy, 0o600);
    if (user) await chown(copy, user.uid, user.gid);
  }
  const tls = secrets
    ? ['ssl=on', 'ssl_cert_file=postgres.crt', 'ssl_key_file=postgres.key'].flatMap((each) => ['-c', each])
    : [];
  const spec: ProcessSpec = {
    name: 'postgres',
    command: programs.postgres,
    args: ['-D', dataFolderFor(data), '-p', String(port), '-k', '.', '-c', 'listen_addresses=127.0.0.1', ...tls],
    cwd: data,
    env: { LC_ALL: 'C' },
    ...user,
    // "Fast": sessions are ended, then everything is written. SIGTERM would wait for every session to end by itself.
    stopSignal: 'SIGINT',
    // "Immediate": unlike SIGKILL it takes the backends along and gives the shared memory back.
    killSignal: 'SIGQUIT',
    pidFile,
  };
  return { spec, socketFolder: data };
}

/**
 * How PostgreSQL is told its data folder: as its own working folder, which it may use even when it could not get there by
 * path (the starter is root, and the folder lies in a place that only root may enter).
 */
function dataFolderFor(data: string): string {
  return process.platform === 'linux' ? '/proc/self/cwd' : data;
}

/** Made aside and renamed when complete, so that a death half-way leaves nothing that looks like data. */
async function initialise(data: string, { initdb }: PostgresPrograms, user: PostgresUser | undefined): Promise<void> {
  const aside = `${data}.new`;
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { mode: 0o700 });
  if (user) await chown(aside, user.uid, user.gid);
  await chmod(initdb, 0o755).catch(() => undefined);
  // The collation provider that is built in sorts alike on every machine.
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--encoding=UTF8'];
  const folder = dataFolderFor(aside);
  await promisify(execFile)(
    initdb,
    ['-D', folder, '--username=postgres', '--auth=trust', '--no-instructions', ...locale],
    {
      cwd: aside,
      ...user,
      env: { ...process.env, LC_ALL: 'C' },
    },
  );
  await rename(aside, data);
}

/**
 * Clears what a killed PostgreSQL leaves behind in its data folder: backends that have not noticed yet (a new one refuses
 * to start beside them), and lock files whose pid may meanwhile be another program's.
 */
export async function clearAfterKill(data: string): Promise<void> {
  const gone = await until(() => processesIn(data).length === 0, { timeoutMs: 2_000, everyMs: 50 });
  if (!gone) {
    for (const backend of processesIn(data)) signal(backend, 'SIGKILL');
    await until(() => processesIn(data).length === 0, { timeoutMs: 3_000, everyMs: 50 });
  }
  const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0]);
  // Where processes do not tell their folder, only a pid that is nobody's is surely stale.
  if (process.platform !== 'linux' && identify(pid)) return;
  const locks = (await readdir(data)).filter((name) => name === 'postmaster.pid' || name.startsWith('.s.PGSQL.'));
  for (const lock of locks) await rm(join(data, lock), { force: true });
}
