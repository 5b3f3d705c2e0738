import { describe, expect, it } from 'vitest';
import { CheckpointBook } from './checkpoint-book.js';
import { verifyExport } from './export.js';
import { VerifierKey } from '../checkpoint/verifier-key.js';
import type { VerifyReport } from './report.js';
import { MUTATIONS } from './testing/mutations.js';
import {
  below,
  CHAINS,
  CLEAN,
  COUNT,
  erased,
  KEPT,
  linesOf,
  NOTES,
  old,
  random,
  SIZES,
  textOf,
} from './testing/signed-export.js';

/** Single changes of an export, each of which must be caught and named where it is. */
const RUNS = 1_000;

/** @param kept checkpoints that somebody keeps elsewhere */
function verify(lines: readonly string[], kept: readonly string[] = []): Promise<VerifyReport> {
  const book = new CheckpointBook([VerifierKey.parse(old.text)]);
  book.add(kept);
  return verifyExport(lines, book);
}

describe('a clean export', () => {
  it('verifies, with erased payloads, gaps and a key that was changed', async () => {
    const report = await verify(textOf(CLEAN), KEPT);
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ ok: true, records: 3 * COUNT, chains: 3, checkpoints: 3 * 4 * 2 });
    expect(report.notices!.every(({ what }) => /gone from Kafka|made anew/.test(what))).toBe(true);
  });

  it('verifies whatever is erased, and as far as it goes', { timeout: 60_000 }, async () => {
    for (let run = 0; run < 50; run++) {
      const emptied = CHAINS.map((records) =>
        linesOf(records.map((each) => (each.kind === 'record' && random() < 0.3 ? erased(each) : each))),
      );
      expect((await verify(textOf(emptied), KEPT)).problems).toEqual([]);
      const sizes = CHAINS.map(() => 1 + below(COUNT));
      const early = CLEAN.map((lines, i) => lines.slice(0, sizes[i]));
      const notes = NOTES.flatMap((each, i) => each.filter((_, n) => SIZES[n]! <= sizes[i]!));
      const report = await verify(textOf(early, notes));
      expect(report.problems).toEqual([]);
    }
  });
});

describe('a thousand single changes', () => {
  it('are all caught, and named where they are', { timeout: 60_000 }, async () => {
    const missed: string[] = [];
    const kinds = new Map<string, number>();
    for (let run = 0; run < RUNS; run++) {
      const { what, lines, kept, chain, from, to } = MUTATIONS[run % MUTATIONS.length]!();
      kinds.set(what, (kinds.get(what) ?? 0) + 1);
      const { ok, problems } = await verify(lines, kept);
      const first = problems.find((problem) => problem.chain === chain);
      if (ok || !first || first.sequence < from || first.sequence > to)
        missed.push(
          `${run} ${what}: expected in ${chain} #${from} to #${to}, found ${JSON.stringify(problems.slice(0, 2))}`,
        );
    }
    expect(missed).toEqual([]);
    expect(kinds.size).toBeGreaterThan(20);
  });
});
