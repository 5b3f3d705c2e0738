import { checkpointsForExport, exportLine, recordsOf, type ChainHead, type Query } from '@bongsu/audit-chain';
import type { Database } from '../database/database.js';
import { readHeads } from '../chain/heads.js';

/** Lines are handed on in pieces of about this size, bytes: one line at a time would cost a system call each. */
const PIECE_BYTES = 64 * 1024;

export interface ExportPart {
  /** Only this chain, `<topic>/<partition>`. */
  readonly chain?: string | undefined;
  /** Only what follows this sequence; to go on with an export of one chain that broke off. */
  readonly after?: bigint | undefined;
}

/**
 * Every record that the chains have at the time of the call, as NDJSON, chain by chain in the order of sequence. Pages are
 * read as the reader takes them, so that a slow reader costs neither memory nor an open transaction.
 */
export async function* exportLines(database: Database, { chain, after }: ExportPart): AsyncGenerator<string> {
  const query: Query = (sql, values) => database.query(sql, values);
  const checkpoints = after === undefined ? await checkpointsForExport(query, chain) : [];
  let first = checkpoints.length > 0 ? { checkpoints } : undefined;
  let piece = '';
  for (const head of (await readHeads(database)).filter((head) => isWanted(head, chain))) {
    for await (const record of recordsOf(query, head.topic, head.partition, after)) {
      if (record.sequence > head.sequence) break; // appended after the call: a busy chain would keep us for ever
      piece += `${JSON.stringify({ ...exportLine(record), ...first })}\n`;
      first = undefined;
      if (piece.length < PIECE_BYTES) continue;
      yield piece;
      piece = '';
    }
  }
  if (piece !== '') yield piece;
}

const isWanted = ({ topic, partition }: ChainHead, chain: string | undefined): boolean =>
  chain === undefined || chain === `${topic}/${partition}`;
