import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CoveredFault } from './fault.ts';
import type { Line } from './report.ts';

/** Of vitest's JSON report. */
interface TestFile {
  readonly name: string;
  readonly status: 'passed' | 'failed';
  readonly assertionResults: readonly { readonly status: string }[];
}

/** Runs the tests of all these faults, at once: each run boots a stack of its own. */
export async function runCovered(faults: readonly CoveredFault[]): Promise<Line[]> {
  if (faults.length === 0) return [];
  const tests = faults.flatMap((fault) => fault.tests);
  console.log(`\nTests of ${faults.map(({ number }) => number).join(', ')}: ${tests.length} files or folders`);
  const files = await runTests(tests);
  return faults.map(({ number, title, tests: own }) => ({
    number,
    title,
    seed: undefined,
    outcome: coverage(own, files),
  }));
}

/** A file that has no test, or one that was left out, proves nothing. */
export function coverage(own: readonly string[], files: readonly TestFile[]): { tests: number; failing: string[] } {
  const ran = own.map((path) => ({ path, files: files.filter(({ name }) => name.includes(path)) }));
  const isWell = ({ status, assertionResults }: TestFile): boolean =>
    status === 'passed' && assertionResults.length > 0 && assertionResults.every((test) => test.status === 'passed');
  return {
    tests: ran.flatMap((each) => each.files).reduce((sum, { assertionResults }) => sum + assertionResults.length, 0),
    failing: ran.filter((each) => each.files.length === 0 || !each.files.every(isWell)).map(({ path }) => path),
  };
}

async function runTests(tests: readonly string[]): Promise<readonly TestFile[]> {
  const folder = await mkdtemp(join(tmpdir(), 'bongsu-faults-'));
  const file = join(folder, 'results.json');
  try {
    const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${file}`];
    const child = spawn('npx', ['vitest', 'run', ...reporters, ...tests], { stdio: ['ignore', 'ignore', 'inherit'] });
    await once(child, 'exit');
    const report = await readFile(file, 'utf8').catch(() => '{"testResults":[]}');
    return (JSON.parse(report) as { testResults: TestFile[] }).testResults;
  } finally {
    await rm(folder, { recursive: true });
  }
}
