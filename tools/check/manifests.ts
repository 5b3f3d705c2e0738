import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Manifest {
  readonly folder: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

interface LockedPackage {
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The manifests of the repository and of its workspaces. */
export function readManifests(root: string): Manifest[] {
  return ['.', ...workspaces(root)].map((folder) => {
    const { dependencies = {}, devDependencies = {} } = readJson(
      join(root, folder, 'package.json'),
    ) as Partial<Manifest>;
    return { folder, dependencies, devDependencies };
  });
}

/**
 * A package of a version of its own in one workspace is invisible to the built services, which find theirs at the root,
 * and doubles what checks by identity (Nest's metadata, prom-client's registry): one version of each, at the root.
 */
export function nestedPackages(root: string): string[] {
  return workspaces(root)
    .map((folder) => join(folder, 'node_modules'))
    .filter((folder) => installedIn(join(root, folder)).length > 0)
    .map(
      (folder) => `${folder}: holds ${installedIn(join(root, folder)).join(', ')}; give every workspace one version`,
    );
}

/** Every version is exact, and the same wherever a package is named. */
export function looseVersions(manifests: readonly Manifest[]): string[] {
  const problems: string[] = [];
  const seen = new Map<string, { version: string; folder: string }>();
  for (const { folder, dependencies, devDependencies } of manifests) {
    for (const [name, version] of Object.entries({ ...devDependencies, ...dependencies })) {
      if (name.startsWith('@bongsu/')) continue;
      if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
        problems.push(`${folder}/package.json: ${name} ${version} is not an exact version`);
      }
      const first = seen.get(name) ?? { version, folder };
      seen.set(name, first);
      if (first.version !== version) {
        problems.push(`${folder}/package.json: ${name} is ${version} here and ${first.version} in ${first.folder}`);
      }
    }
  }
  return problems;
}

/**
 * A library that is imported but not declared is there in the repository and missing in the service's image, where only
 * what the manifests name is installed.
 */
export function undeclaredLibraries(root: string, manifests: readonly Manifest[]): string[] {
  const problems: string[] = [];
  for (const { folder, dependencies, devDependencies } of manifests) {
    if (folder === '.') continue;
    const own = `@bongsu/${folder.split('/').at(-1)}`;
    for (const file of globSync('src/**/*.ts', { cwd: join(root, folder) }).toSorted()) {
      const source = readFileSync(join(root, folder, file), 'utf8');
      for (const [, name] of source.matchAll(/(?:from|import)\s*\(?\s*'(@bongsu\/[\w-]+)'/g)) {
        if (name === undefined || name === own || name in dependencies) continue;
        const inTest = file.endsWith('.test.ts') || file.includes('/testing/');
        if (!inTest || !(name in devDependencies || name === '@bongsu/testing')) {
          problems.push(`${folder}/${file}: imports ${name}, which ${folder}/package.json does not declare`);
        }
      }
    }
  }
  return problems;
}

/**
 * The lock file names no download address, and holds every optional package (one per platform) that its packages name.
 * `npm install` drops those that the registry lacks in silence; `npm ci` then refuses the lock file, everywhere.
 */
export function lockProblems(root: string): string[] {
  const { packages } = readJson(join(root, 'package-lock.json')) as { packages: Record<string, LockedPackage> };
  const problems: string[] = [];
  for (const [path, { resolved, optionalDependencies = {} }] of Object.entries(packages)) {
    if (resolved !== undefined && /^[a-z+]+:/.test(resolved)) {
      problems.push(`package-lock.json: ${path} names an address; keep omit-lockfile-registry-resolved in .npmrc`);
    }
    for (const name of Object.keys(optionalDependencies)) {
      if (packages[`node_modules/${name}`] === undefined && packages[`${path}/node_modules/${name}`] === undefined) {
        problems.push(`package-lock.json: ${path} needs ${name}, which is not in it; take a version that has it`);
      }
    }
  }
  return problems;
}

function workspaces(root: string): string[] {
  const { workspaces: patterns = [] } = readJson(join(root, 'package.json')) as { workspaces?: string[] };
  return globSync(patterns, { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .toSorted();
}

/** Build tools keep caches in a node_modules of their own (.vite, .cache): those are no packages. */
function installedIn(folder: string): string[] {
  return globSync('*', { cwd: folder }).filter((name) => !name.startsWith('.'));
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
