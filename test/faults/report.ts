import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import type { Result } from './run.ts';

/** A line of the table. */
export interface Line {
  readonly number: number;
  readonly title: string;
  readonly seed: number;
  readonly outcome: Result | { readonly covered: boolean } | { readonly failed: string };
}

export const isWell = ({ outcome }: Line): boolean => {
  if ('failed' in outcome) return false;
  if ('covered' in outcome) return outcome.covered;
  return outcome.problems.length === 0;
};

/** The table, as Markdown. */
export function table(lines: readonly Line[]): string {
  const head = '| # | fault | seed | accepted | lost | duplicated (allowed) | out of order | recovered after | |';
  return [head, '|--:|---|--:|--:|--:|--:|--:|--:|---|', ...lines.map(row)].join('\n');
}

function row(line: Line): string {
  const { number, title, seed, outcome } = line;
  const verdict = isWell(line) ? 'well' : '**failed**';
  if ('failed' in outcome)
    return `| ${number} | ${title} | ${seed} | | | | | | **failed**: ${oneLine(outcome.failed)} |`;
  if ('covered' in outcome) return `| ${number} | ${title} | | | | | | | ${verdict}, by tests of its own |`;
  const { accepted, lost, duplicated, mayRepeat, reordered, recoveredAfter, problems } = outcome;
  const why = problems.length > 0 ? `: ${oneLine(problems.join('; '))}` : '';
  return `| ${number} | ${title} | ${seed} | ${accepted} | ${lost} | ${duplicated} (${mayRepeat}) | ${reordered} | ${recoveredAfter.toFixed(1)} s | ${verdict}${why} |`;
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 300);

const [BEGIN, END] = ['<!-- results -->', '<!-- end of results -->'];

/** Replaces what stands between the markers of a Markdown file. */
export async function writeReport(file: string, lines: readonly Line[], notes: readonly string[]): Promise<void> {
  const text = await readFile(file, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${file} has no markers ${BEGIN} and ${END}`);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 1024 ** 3)} GiB`;
  const when = `Commit ${commit}, ${new Date().toISOString().slice(0, 10)}, ${machine}, Node.js ${process.version}. ${notes.join(' ')}`;
  await writeFile(file, `${text.slice(0, from)}${BEGIN}\n${when}\n\n${table(lines)}\n${text.slice(to)}`);
}
