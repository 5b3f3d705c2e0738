import { checkpointsOf, parseExportLine } from '../export-line.js';
import { chainName } from '../record.js';
import type { StoredRecord } from './chain-verifier.js';
import type { CheckpointBook } from './checkpoint-book.js';
import type { VerifyReport } from './report.js';
import { TrailVerifier } from './trail.js';

/** A line that is no record; where it stands is known when the next record has come. */
interface BadLine {
  readonly number: number;
  readonly what: string;
}

/**
 * Verifies a whole export, line by line, with the checkpoints that come with it and those that the book has from elsewhere.
 * Memory stays flat. Rejects only when the lines cannot be read.
 * @param onRecord called after each record with the trail as it is: for progress, and for who has more to compare
 */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  book: CheckpointBook,
  onRecord?: (trail: TrailVerifier, record: StoredRecord) => void | Promise<void>,
): Promise<VerifyReport> {
  const trail = new TrailVerifier(book);
  let bad: BadLine[] = [];
  let number = 0;
  for await (const line of lines) {
    if (++number === 1) takeCheckpoints(line, book);
    const record = recordIn(line);
    if (typeof record === 'string') {
      if (bad.length < 100) bad.push({ number, what: record });
      continue;
    }
    if (bad.length > 0) bad = locate(bad, trail, record);
    trail.next(record);
    const waiting = onRecord?.(trail, record);
    if (waiting) await waiting; // most calls have nothing to wait for, and an await each would cost more than they do
  }
  if (bad.length > 0) locate(bad, trail, undefined);
  trail.endChain();
  if (book.vouches && trail.checkpoints === 0) {
    // Whoever rewrites a trail leaves its checkpoints out: nothing that is signed is then nothing that is verified.
    trail.problem({ chain: 'export', sequence: 0, what: 'nothing in it is signed by a key that is trusted' });
  }
  return trail.report();
}

function takeCheckpoints(line: string, book: CheckpointBook): void {
  try {
    book.add(checkpointsOf(line));
  } catch {
    // The line is none, and is named as such.
  }
}

function recordIn(line: string): StoredRecord | string {
  try {
    return parseExportLine(line);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Bad lines stand where records are missing: at the end of the chain before, or at the beginning of the one that follows. */
function locate(bad: readonly BadLine[], trail: TrailVerifier, next: StoredRecord | undefined): [] {
  const before = trail.current?.chain;
  const following = next && chainName(next.topic, next.partition);
  const atTheBeginning = next && following !== before?.chain && next.sequence > 1n;
  const chain = (atTheBeginning ? following : (before?.chain ?? following)) ?? 'export';
  const sequence = atTheBeginning || !before ? 1 : Number(before.sequence) + 1;
  for (const { number, what } of bad) trail.problem({ chain, sequence, what: `line ${number} is no record: ${what}` });
  return [];
}
