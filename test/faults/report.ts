import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { format, resolveConfig } from 'prettier';
import { isCovered } from './fault.ts';
import { FAULTS } from './faults/all.ts';
import type { SuiteOptions } from './options.ts';
import type { Result } from './run.ts';
import { SETTINGS } from './system.ts';

/** What came of a fault that has tests of its own. */
interface Covered {
  readonly tests: number;
  /** Files whose tests did not all pass, or that had none. */
  readonly failing: readonly string[];
}

/** A line of the table. */
export interface Line {
  readonly number: number;
  readonly title: string;
  /** Undefined: it has none. */
  readonly seed: number | undefined;
  readonly outcome: Result | Covered | { readonly failed: string };
}

export const isWell = ({ outcome }: Line): boolean => {
  if ('failed' in outcome) return false;
  if ('failing' in outcome) return outcome.failing.length === 0;
  return outcome.problems.length === 0;
};

/** The table, as Markdown. */
export function table(lines: readonly Line[]): string {
  const head = '| # | fault | seed | accepted | lost | duplicated (allowed) | out of order | recovered after | |';
  return [head, '|--:|---|--:|--:|--:|--:|--:|--:|---|', ...lines.map(row)].join('\n');
}

function row(line: Line): string {
  const { number, title, seed = '', outcome } = line;
  const cells = (...of: (string | number)[]): string => `| ${[number, title, seed, ...of].join(' | ')} |`;
  if ('failed' in outcome) return cells('', '', '', '', '', `**failed**: ${oneLine(outcome.failed)}`);
  if ('failing' in outcome) {
    const verdict = isWell(line) ? 'well' : `**failed**: ${oneLine(outcome.failing.join(', '))}`;
    return cells('', '', '', '', '', `${verdict} (${outcome.tests} tests)`);
  }
  const { accepted, lost, duplicated, mayRepeat, reordered, recoveredAfter, problems } = outcome;
  const verdict = isWell(line) ? 'well' : `**failed**: ${oneLine(problems.join('; '))}`;
  return cells(accepted, lost, `${duplicated} (${mayRepeat})`, reordered, `${recoveredAfter.toFixed(1)} s`, verdict);
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 300);

const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();

/** What is tested: the commit, and whether files of it were changed. Of a folder without Git: what can be said. */
export function originOf(): string {
  try {
    const changed = git('status', '--porcelain', '--', 'apps', 'libs', 'test/faults', 'tools/stack') !== '';
    return `Commit ${git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes that are not committed' : ''}`;
  } catch {
    return 'Not from a Git checkout';
  }
}

const [BEGIN, END] = ['<!-- results -->', '<!-- end of results -->'];

interface Run extends SuiteOptions {
  /** As of `originOf`, when the run began. */
  readonly origin: string;
  readonly minutes: number;
}

/**
 * Replaces what stands between the markers of a Markdown file by the results so far.
 * @throws when the file has no such markers
 */
export async function writeReport(file: string, lines: readonly Line[], run: Run): Promise<void> {
  const text = await readFile(file, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${file} has no markers ${BEGIN} and ${END}`);
  const results = [BEGIN, heading(run), differences(run), table(lines), missing(lines)].filter((part) => part !== '');
  const whole = `${text.slice(0, from)}${results.join('\n\n')}\n\n${text.slice(to)}`;
  await writeFile(file, await format(whole, { ...(await resolveConfig(file)), parser: 'markdown' }));
}

function heading({ origin, minutes, seeds, notifications, perSecond }: Run): string {
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 1024 ** 3)} GiB`;
  return [
    `${origin}, ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, ${machine}, Node.js ${process.version}.`,
    `At least ${notifications} notifications per fault at ${perSecond} a second, seed ${seeds.join(', ')}; ${minutes.toFixed(0)} minutes in all.`,
  ].join('\n');
}

/** Whatever is shorter here than in a production system, or than the faults are meant to be. */
function differences({ only }: Run): string {
  const settings = Object.entries(SETTINGS).map(([name, value]) => `\`${name}=${shortened(value)}\``);
  const faults = FAULTS.flatMap((fault) => {
    if (isCovered(fault) || !(only?.includes(fault.number) ?? true)) return [];
    const own = Object.entries(fault.apiSettings ?? {}).map(([name, value]) => `\`${name}=${value}\` of the api`);
    const what = [...(fault.differs === undefined ? [] : [fault.differs]), ...own].join(', ');
    return what === '' ? [] : [`- ${fault.number}: ${what}`];
  });
  return [`Settings that differ: ${settings.join(', ')}.`, ...faults].join('\n');
}

/** A list of the same value over and over, in short. */
function shortened(value: string): string {
  const parts = value.split(',');
  return parts.length > 3 && new Set(parts).size === 1 ? `${parts[0]},… (${parts.length} times)` : value;
}

/** Faults without a result, so that nobody takes the table for all of them. */
function missing(lines: readonly Line[]): string {
  const without = FAULTS.filter(({ number }) => lines.every((line) => line.number !== number));
  return without.length === 0 ? '' : `Not run: ${without.map(({ number }) => number).join(', ')}.`;
}
