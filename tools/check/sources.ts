import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file that is longer holds two things (style: a reader sees the whole of one). */
const MOST_LINES = 300;

const SOURCE = /^(apps|libs|tools)\/.*\.(ts|mjs|cjs|js|sql)$/;

/** Files that are longer than a reader can hold. */
export function longFiles(root: string, files: readonly string[]): string[] {
  return files
    .filter((file) => SOURCE.test(file))
    .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > MOST_LINES)
    .map(({ file, lines }) => `${file}: ${lines} lines, at most ${MOST_LINES}`);
}

/**
 * What only holds on the machine where it was written: paths of somebody's home or checkout, and addresses of package
 * registries, which differ from network to network and belong into the user's own configuration.
 */
const TRACES: ReadonlyMap<string, RegExp> = new Map([
  [
    'a path of one machine',
    /(?<![\w.@-])\/(?:work(?:space)?|Users|home\/(?!appuser\b|node\b)\w+|root)\/(?!\.(?:npm|m2|cache)\b)\w/,
  ],
  [
    'the address of a package registry',
    /\bregistry\s*=\s*["']?https?:|\b(?:registry\.npmjs|registry\.yarnpkg|repo1?\.maven|npm\.pkg\.github|jfrog|artifactory)\.\w+/i,
  ],
  ['a repository of one network', /<(?:repository|mirror|pluginRepository)>\s*(?:<|$)/],
]);

/** Lines of text files that name a machine or a registry. */
export function traces(root: string, files: readonly string[]): string[] {
  const problems: string[] = [];
  for (const file of files) {
    // This file holds the patterns, its test what they find.
    if (file.startsWith('tools/check/sources')) continue;
    const text = readFileSync(join(root, file));
    if (text.includes(0)) continue;
    for (const [index, line] of text.toString('utf8').split('\n').entries()) {
      for (const [what, pattern] of TRACES) {
        if (pattern.test(line)) problems.push(`${file}:${index + 1}: ${what}: ${line.trim().slice(0, 120)}`);
      }
    }
  }
  return problems;
}
