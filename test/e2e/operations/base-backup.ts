import { execFile } from 'node:child_process';
import { chown, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { specOf, startPart, stopPart, type DisposableStack } from '../../../tools/stack/disposable.ts';

const run = promisify(execFile);
/** Of the running server alone. */
const NOT_PART_OF_IT = /^(postmaster\.(pid|opts)|\.s\.PGSQL\..*)$/;

/**
 * A base backup of the whole server while it works, by PostgreSQL's own low-level way (pg_backup_start, copy, pg_backup_stop),
 * which is what pg_basebackup and the backup programs do. With the write-ahead log of its duration, so that it is complete in itself.
 */
export async function baseBackup(stack: DisposableStack, to: string): Promise<void> {
  const data = specOf(stack, 'postgres').cwd;
  const client = new Client({ connectionString: stack.postgresUrl });
  await client.connect();
  try {
    await client.query("SELECT pg_backup_start('test', true)");
    await copy(data, to);
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    // What the log holds up to now belongs to it; segments that were copied too early are copied once more.
    await copy(join(data, 'pg_wal'), join(to, 'pg_wal'));
    const label = join(to, 'backup_label');
    await writeFile(label, rows[0]?.labelfile ?? '');
    // The server's user must be able to read and rename it, and that may be another one than this test's.
    const { uid, gid } = await stat(data);
    await chown(label, uid, gid);
  } finally {
    await client.end();
  }
  for (const name of await readdir(to)) if (NOT_PART_OF_IT.test(name)) await rm(join(to, name));
}

/** The server's disk is gone: it dies, and everything that it had. Then the backup is all that there is. */
export async function loseAndRestore(
  stack: DisposableStack,
  backup: string,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const data = specOf(stack, 'postgres').cwd;
  await stopPart(stack, 'postgres', 'SIGKILL');
  await empty(data);
  await meanwhile();
  await copy(backup, data);
  await startPart(stack, 'postgres');
}

/** Everything below a folder, without the folder. */
export async function empty(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}

/** Files that vanish meanwhile are no part of a backup: what happened to them is in the write-ahead log. */
async function copy(from: string, to: string): Promise<void> {
  try {
    await run('cp', ['-a', `${from}/.`, to], { env: { ...process.env, LC_ALL: 'C' } });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    const lines = stderr.split('\n').filter((line) => line !== '');
    if (lines.length === 0 || !lines.every((line) => line.endsWith('No such file or directory'))) throw error;
  }
}
