import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');
const GUIDE = 'docs/operations.md';

/** As GitHub makes them of headings. */
function anchorsOf(page: string): Set<string> {
  const headings = [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^#+ (.+)$/gm)].map(
    ([, heading = '']) => heading,
  );
  const plain = headings.map((heading) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, ''));
  return new Set(plain.map((heading) => heading.trim().replaceAll(/\s/g, '-')));
}

function broken(links: readonly string[]): string[] {
  return links.filter((link) => {
    const [page = '', anchor] = link.split('#');
    if (!existsSync(join(ROOT, page))) return true;
    return anchor !== undefined && page.endsWith('.md') && !anchorsOf(page).has(anchor);
  });
}

test('what the doctor refers to is there', () => {
  const sources = globSync('*.ts', { cwd: import.meta.dirname }).map((file) =>
    readFileSync(join(import.meta.dirname, file), 'utf8'),
  );
  const links = sources.flatMap((text) => [...text.matchAll(/docs\/[\w/-]+\.md(?:#[\w-]+)?/g)].map(([link]) => link));
  expect(links.length).toBeGreaterThan(10);
  expect(broken(links)).toEqual([]);
});

test('the links of the operations guide lead somewhere', () => {
  const targets = [...readFileSync(join(ROOT, GUIDE), 'utf8').matchAll(/\]\((?!https?:)([^)]+)\)/g)];
  const links = targets.map(([, target = '']) =>
    target.startsWith('#') ? GUIDE + target : join(dirname(GUIDE), target),
  );
  expect(links.length).toBeGreaterThan(20);
  expect(broken(links)).toEqual([]);
});
