import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import {
  checkpointsOf,
  linesOf,
  verifyExport,
  type CheckpointBook,
  type StoredRecord,
  type VerifyReport,
} from '@bongsu/audit-chain';
import { CommandFailure, EXIT } from '../command-line/exit.js';
import { stream } from '../http/client.js';
import { auditEndpoint } from '../settings.js';
import type { Progress } from './progress.js';

/** Called with each record and the chain that it is in; for comparing with another source. */
export type OnRecord = (record: StoredRecord) => void | Promise<void>;

/** Verifies export files together as one trail; each may hold whole chains only. */
export async function verifyFiles(
  files: readonly string[],
  book: CheckpointBook,
  progress: Progress,
  onRecord: OnRecord | undefined,
): Promise<VerifyReport> {
  try {
    const sizes = await Promise.all(files.map((file) => stat(file)));
    progress.expect(sizes.reduce((sum, { size }) => sum + size, 0));
    // All of them first: a later file's checkpoints may be of chains that an earlier one has.
    for (const file of files.slice(1)) book.add(await checkpointsIn(file));
    const read = { bytes: 0 };
    return await verifyExport(linesOf(chunksOf(files, read)), book, (trail, record) => {
      progress.at(trail.records, read.bytes);
      return onRecord?.(record);
    });
  } catch (cause) {
    if (cause instanceof CommandFailure || !(cause instanceof Error)) throw cause;
    throw new CommandFailure(EXIT.unreachable, `The export cannot be read: ${cause.message}`, { cause });
  }
}

/** Takes the service's export as it comes and verifies it here: the service's own verdict is not asked for. */
export async function verifyServiceExport(
  book: CheckpointBook,
  progress: Progress,
  onRecord: OnRecord | undefined,
): Promise<VerifyReport> {
  const body = await stream(auditEndpoint(), { path: '/v1/audit/export' });
  try {
    return await verifyExport(linesOf(body), book, (trail, record) => {
      progress.at(trail.records);
      return onRecord?.(record);
    });
  } catch (cause) {
    if (cause instanceof CommandFailure || !(cause instanceof TypeError || cause instanceof RangeError)) throw cause;
    throw new CommandFailure(EXIT.unreachable, `The export broke off: ${cause.message}`, { cause });
  }
}

async function* chunksOf(files: readonly string[], read: { bytes: number }): AsyncGenerator<Buffer> {
  for (const file of files) {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      read.bytes += chunk.length;
      yield chunk;
    }
  }
}

async function checkpointsIn(file: string): Promise<string[]> {
  for await (const line of linesOf(createReadStream(file) as AsyncIterable<Buffer>)) {
    try {
      return checkpointsOf(line);
    } catch {
      return []; // the line is none, and verifying names it
    }
  }
  return [];
}
