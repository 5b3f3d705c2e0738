import { createHash, randomBytes } from 'node:crypto';
import { access, cp, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

export const APPS = ['api', 'notification', 'audit', 'cli'] as const;
export type App = (typeof APPS)[number];

/** The program that an app's build is, for `node <path>`. */
export const mainOf = (app: App): string => join(ROOT, 'apps', app, 'dist', 'apps', app, 'src', 'main.js');

/**
 * Builds the apps whose sources are not those of their last build; returns the names of those.
 * The output is laid out as `nest build` lays it out, but not type-checked: that is what `npm run check` does, and it takes
 * most of the time of a build.
 * @throws when a source cannot be parsed or imports what is not there, with the place; the other apps are built all the same
 */
export async function buildApps({ force = false }: { force?: boolean } = {}): Promise<App[]> {
  const libs = await sourcesBelow(join(ROOT, 'libs'));
  const shared = await digest([...libs, join(ROOT, 'tsconfig.json'), ...(await builderFiles())]);
  const built: App[] = [];
  const problems: string[] = [];
  for (const app of APPS) {
    const folder = join(ROOT, 'apps', app);
    const sources = await sourcesBelow(join(folder, 'src'));
    if (!sources.includes(join(folder, 'src', 'main.ts'))) continue;
    const state = await digest([...sources, join(folder, 'tsconfig.json')], shared);
    if (!force && (await isBuilt(app, state))) continue;
    try {
      await build(app, sources, state);
      built.push(app);
    } catch (error) {
      problems.push(`${app}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return built;
}

const stateFile = (app: App): string => join(ROOT, 'apps', app, 'dist', '.built-from');

async function isBuilt(app: App, state: string): Promise<boolean> {
  const before = await readFile(stateFile(app), 'utf8').catch(() => undefined);
  return (
    before === state &&
    access(mainOf(app)).then(
      () => true,
      () => false,
    )
  );
}

/** Made aside and exchanged when complete, so that neither a death half-way nor a build beside this one leaves half a build. */
async function build(app: App, sources: readonly string[], state: string): Promise<void> {
  // Loading TypeScript takes longer than everything that a start without changes has to do here.
  const { transpile } = await import('./transpile.ts');
  const dist = join(ROOT, 'apps', app, 'dist');
  const scratch = join(ROOT, 'node_modules', '.cache', 'bongsu', `build-${app}-${randomBytes(4).toString('hex')}`);
  try {
    await transpile({
      root: ROOT,
      tsconfig: join(ROOT, 'apps', app, 'tsconfig.json'),
      sources,
      output: join(scratch, 'new'),
    });
    await writeFile(join(scratch, 'new', '.built-from'), state);
    await mkdir(join(scratch, 'old'), { recursive: true });
    await move(dist, join(scratch, 'old', 'dist'));
    await move(join(scratch, 'new'), dist);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return;
    // The cache lies on another disk, or another build has just put the same there.
    if (code !== 'EXDEV' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    await cp(from, to, { recursive: true });
    await rm(from, { recursive: true, force: true });
  }
}

async function sourcesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter(({ name }) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.endsWith('.d.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/[\\/](node_modules|dist)[\\/]/.test(relative(ROOT, path)))
    .sort();
}

async function builderFiles(): Promise<string[]> {
  const typescript = join(ROOT, 'node_modules', 'typescript', 'package.json');
  return [join(import.meta.dirname, 'build-apps.ts'), join(import.meta.dirname, 'transpile.ts'), typescript];
}

async function digest(files: readonly string[], seed = ''): Promise<string> {
  const hash = createHash('sha256').update(seed);
  for (const file of files) {
    const content = await readFile(file);
    hash.update(`${relative(ROOT, file)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}
