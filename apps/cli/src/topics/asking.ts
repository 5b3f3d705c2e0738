import { createInterface } from 'node:readline/promises';
import { duration } from '@bongsu/config';
import { UsageError } from '../command-line/exit.js';
import type { Output } from '../command-line/output.js';

/** Shows what is about to be done and asks; throws a UsageError when nobody is there to answer. */
export async function confirmed(intended: string, output: Output): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError('There is nobody to ask: give --yes');
  output.note(intended);
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question('Do it? [y/N] ')).trim());
  } finally {
    prompt.close();
  }
}

/** The option `--wait`, in milliseconds; throws a UsageError. */
export function waitOf(text: string, mostMs = 3_600_000): number {
  try {
    return duration(0, mostMs)('').parse(text);
  } catch (cause) {
    throw new UsageError(`--wait ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
