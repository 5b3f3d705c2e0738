import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockProblems, looseVersions, nestedPackages, readManifests, undeclaredLibraries } from './manifests.ts';

let root: string;

function write(file: string, content: string | object): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), typeof content === 'string' ? content : JSON.stringify(content));
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bongsu-check-'));
  write('package.json', { workspaces: ['apps/*', 'libs/*'], devDependencies: { pg: '8.0.0' } });
  write('apps/api/package.json', { dependencies: { '@bongsu/config': '*', pg: '8.0.0' } });
  write('libs/config/package.json', {});
  write('apps/api/src/main.ts', "import { readSettings } from '@bongsu/config';\n");
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test('a sound repository has no findings', () => {
  mkdirSync(join(root, 'apps/api/node_modules/.vite'), { recursive: true });
  write('package-lock.json', {
    packages: { '': {}, 'apps/api': {}, 'node_modules/@bongsu/api': { resolved: 'apps/api', link: true } },
  });
  const manifests = readManifests(root);
  expect(manifests.map(({ folder }) => folder)).toEqual(['.', 'apps/api', 'libs/config']);
  expect([
    ...nestedPackages(root),
    ...looseVersions(manifests),
    ...undeclaredLibraries(root, manifests),
    ...lockProblems(root),
  ]).toEqual([]);
});

test('a package installed below a workspace is found', () => {
  mkdirSync(join(root, 'libs/config/node_modules/pg'), { recursive: true });
  expect(nestedPackages(root)).toEqual([expect.stringContaining('libs/config/node_modules: holds pg')]);
});

test('ranges and differing versions are found', () => {
  write('apps/api/package.json', { dependencies: { pg: '8.0.1', uuid: '^14.0.0' } });
  expect(looseVersions(readManifests(root))).toEqual([
    'apps/api/package.json: pg is 8.0.1 here and 8.0.0 in .',
    'apps/api/package.json: uuid ^14.0.0 is not an exact version',
  ]);
});

test.each([
  ["import { x } from '@bongsu/kafka';", '@bongsu/kafka'],
  ["const x = await import('@bongsu/kafka');", '@bongsu/kafka'],
  ["export * from '@bongsu/kafka';", '@bongsu/kafka'],
])('a library that is imported and not declared is found: %s', (line, name) => {
  write('apps/api/src/late.ts', line);
  expect(undeclaredLibraries(root, readManifests(root))).toEqual([
    `apps/api/src/late.ts: imports ${name}, which apps/api/package.json does not declare`,
  ]);
});

test('an address and a platform package that is missing are found in the lock file', () => {
  write('package-lock.json', {
    packages: {
      'node_modules/a': { resolved: 'https://registry.example/a.tgz' },
      'node_modules/b': { optionalDependencies: { '@b/linux': '1.0.0', '@b/darwin': '1.0.0' } },
      'node_modules/@b/linux': {},
    },
  });
  expect(lockProblems(root)).toEqual([
    expect.stringContaining('node_modules/a names an address'),
    expect.stringContaining('node_modules/b needs @b/darwin'),
  ]);
});
