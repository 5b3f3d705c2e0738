import { createReadStream } from 'node:fs';
import { ChainVerifier, chainName, linesOf, parseExportLine, type StoredRecord } from '@bongsu/audit-chain';
import type { Logger } from '@bongsu/observability';
import type { Appender } from '../chain/appender.js';

/** Records that are written at once; and bytes of payloads, whichever comes first. */
const PIECE = 500;
const PIECE_BYTES = 8 * 1024 * 1024;

/** An export that cannot be taken in: what is wrong with it, and where. */
export class ImportError extends Error {
  constructor(file: string, lineNumber: number, what: string, options?: ErrorOptions) {
    super(`${file}, line ${lineNumber}: ${what}`, options);
    this.name = 'ImportError';
  }
}

/**
 * Fills the store from exports (of the service itself, whole or of single chains, older before newer where they overlap). Each
 * record is verified before it is written; what the store has already is passed over, so that an import that was
 * interrupted goes on when it is started again. Memory stays flat.
 * @throws ImportError at the first line that is no line of an export or whose record does not verify
 */
export async function importExports(files: readonly string[], appender: Appender, logger: Logger): Promise<number> {
  let sum = 0;
  for (const file of files) {
    const added = await importExport(file, appender);
    logger.info({ file, records: added }, 'An export was imported');
    sum += added;
  }
  return sum;
}

async function importExport(file: string, appender: Appender): Promise<number> {
  const lines = linesOf(createReadStream(file) as AsyncIterable<Buffer>);
  let verifier: ChainVerifier | undefined;
  let piece: StoredRecord[] = [];
  let bytes = 0;
  let [added, lineNumber] = [0, 0];
  const write = async (): Promise<void> => {
    added += await adopted(appender, piece, file, lineNumber);
    [piece, bytes] = [[], 0];
  };
  for await (const line of lines) {
    lineNumber++;
    const record = recordIn(line, file, lineNumber);
    if (verifier?.chain !== chainName(record.topic, record.partition)) {
      await write();
      verifier = new ChainVerifier(record.topic, record.partition);
      // A part of a chain is verified from its first line on; that this follows what the store has is the appender's to see.
      if (record.sequence > 1n) verifier.beginAt(record.sequence);
    }
    verifier.next(record);
    const [problem] = verifier.problems;
    if (problem) throw new ImportError(file, lineNumber, `${problem.chain} #${problem.sequence}: ${problem.what}`);
    piece.push(record);
    bytes += record.payload?.length ?? 0;
    if (piece.length >= PIECE || bytes >= PIECE_BYTES) await write();
  }
  await write();
  return added;
}

function recordIn(line: string, file: string, lineNumber: number): StoredRecord {
  try {
    return parseExportLine(line);
  } catch (cause) {
    throw new ImportError(file, lineNumber, cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

async function adopted(
  appender: Appender,
  piece: readonly StoredRecord[],
  file: string,
  line: number,
): Promise<number> {
  try {
    return await appender.adopt(piece);
  } catch (cause) {
    if (cause instanceof RangeError) throw new ImportError(file, line, cause.message, { cause });
    throw cause;
  }
}
