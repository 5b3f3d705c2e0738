import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * A program of a Debian package: from the PATH; where it is not there it is taken out of the package, without installing that,
 * and kept below `cache`. Undefined where there is no such package either.
 */
export async function debianProgram(name: string, packageName: string, cache: string): Promise<string | undefined> {
  if (await works(name)) return name;
  const folder = join(cache, packageName);
  const cached = join(folder, 'usr', 'bin', name);
  if (await works(cached)) return cached;
  await mkdir(cache, { recursive: true });
  const aside = await mkdtemp(`${folder}-`);
  try {
    await run('apt-get', ['download', '-q', packageName], { cwd: aside });
    const file = (await readdir(aside)).find((each) => each.endsWith('.deb'));
    if (file === undefined) return undefined;
    await run('dpkg-deb', ['-x', file, join(aside, 'content')], { cwd: aside });
    if (!(await works(join(aside, 'content', 'usr', 'bin', name)))) return undefined;
    await rename(join(aside, 'content'), folder);
    return cached;
  } catch {
    // Somebody else may have been faster.
    return (await works(cached)) ? cached : undefined;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

function works(program: string): Promise<boolean> {
  return run(program, ['--version']).then(
    () => true,
    () => false,
  );
}
