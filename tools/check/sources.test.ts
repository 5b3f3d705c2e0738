import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { longFiles, traces } from './sources.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bongsu-check-'));
  mkdirSync(join(root, 'libs'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('a file of 300 lines passes and one of 301 does not', () => {
  writeFileSync(join(root, 'libs/a.ts'), 'x\n'.repeat(300));
  writeFileSync(join(root, 'libs/b.ts'), 'x\n'.repeat(301));
  expect(longFiles(root, ['libs/a.ts', 'libs/b.ts'])).toEqual(['libs/b.ts: 301 lines, at most 300']);
});

test.each([
  'cd /workspace/bongsu && npm ci',
  'see /home/kim/bongsu',
  "const path = '/Users/kim/x';",
  'registry=https://npm.example.org/',
  // In two pieces, so that this file names none itself.
  ['from registry', 'npmjs', 'org'].join('.'),
  '  <mirror>',
])('a trace of one machine or network is found: %s', (line) => {
  writeFileSync(join(root, 'a.txt'), `fine\n${line}\n`);
  expect(traces(root, ['a.txt'])).toEqual([expect.stringMatching(/^a\.txt:2: /)]);
});

test.each([
  'a /work-queue, or the folder ./work/x, or https://example.org/work/x',
  'RUN --mount=type=cache,target=/root/.npm npm ci',
  '// <repository>/apps/cli',
  'https://www.npmjs.com/package/pg',
])('what only looks like one is left alone: %s', (line) => {
  writeFileSync(join(root, 'a.txt'), line);
  expect(traces(root, ['a.txt'])).toEqual([]);
});
