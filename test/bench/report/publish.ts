import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chart } from './chart.ts';
import type { Run } from './figures.ts';
import { report } from './report.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const PAGE = join(ROOT, 'docs', 'benchmark.md');
const FOLDER = join(ROOT, 'docs', 'benchmark');

/** Writes what a run came to into a folder: Markdown, the figures themselves, a chart for each workload. */
export async function write(folder: string, run: Run): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'results.md'), report(run, ''));
  await writeFile(join(folder, 'results.json'), `${JSON.stringify(run, undefined, 2)}\n`);
  for (const workload of run.workloads) await writeFile(join(folder, `${workload.name}.svg`), chart(workload));
}

/** Puts a run into docs/benchmark.md, between the marks of its kind, and its charts beside it. */
export async function publish(run: Run, kind: 'results' | 'growth'): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  for (const workload of run.workloads) await writeFile(join(FOLDER, `${workload.name}.svg`), chart(workload));
  await writeFile(join(FOLDER, `${kind}.json`), `${JSON.stringify(run, undefined, 2)}\n`);
  const page = await readFile(PAGE, 'utf8');
  const [begin, end] = [`<!-- ${kind} -->`, `<!-- end of ${kind} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/benchmark.md has no place for ${kind}`);
  await writeFile(PAGE, `${page.slice(0, from + begin.length)}\n\n${report(run, 'benchmark/')}\n${page.slice(to)}`);
  const prettier = join(ROOT, 'node_modules', '.bin', 'prettier');
  execFileSync(prettier, ['--write', '--log-level=warn', PAGE, FOLDER], { stdio: 'inherit' });
}
