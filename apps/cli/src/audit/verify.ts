import { readFile } from 'node:fs/promises';
import {
  CheckpointBook,
  splitNotes,
  VerifierKey,
  type Finding,
  type StoredRecord,
  type VerifyReport,
} from '@bongsu/audit-chain';
import { url as urlSetting } from '@bongsu/config';
import { EXIT, UsageError } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { printable } from '../command-line/output.js';
import { call } from '../http/client.js';
import { auditEndpoint } from '../settings.js';
import { verifyDatabase } from './database.js';
import { verifyFiles, verifyServiceExport } from './exports.js';
import { withKafkaRecords } from './kafka.js';
import { Progress } from './progress.js';

/** A verification reads every record; the service answers when it is through. Milliseconds. */
const PATIENCE_MS = 3_600_000;

export const verify = leaf({
  name: 'verify',
  description: 'Check every record of every chain and every checkpoint (Exit code: 0 only when all is well)',
  args: {
    database: {
      type: 'string',
      valueHint: 'url',
      description: 'Read this PostgreSQL database directly instead of asking the audit service',
    },
    export: {
      type: 'string',
      valueHint: 'file',
      description: 'Verify this export, without any service (may be given more than once)',
    },
    key: {
      type: 'string',
      valueHint: 'verifier key',
      description: 'The key that you trust; checkpoints must be signed by it or by one that it led to',
    },
    checkpoints: {
      type: 'string',
      valueHint: 'file',
      description: 'Checkpoints that were kept elsewhere, which the trail must match (may be given more than once)',
    },
    kafka: {
      type: 'string',
      valueHint: 'brokers',
      description: "Compare with Kafka's records, byte by byte, where it still has them",
    },
    progress: { type: 'boolean', description: 'Show progress even when stderr is no terminal' },
  },
  async run({ args, all, output }) {
    const sources = { database: args.database, files: all('export'), kafka: args.kafka };
    if (sources.database !== undefined && sources.files.length > 0)
      throw new UsageError('Either --database or --export, not both');
    const book = await bookOf(args.key, all('checkpoints'));
    const progress = new Progress(args.progress === true || (process.stderr.isTTY && !output.json));
    const local = args.key !== undefined || all('checkpoints').length > 0 || sources.kafka !== undefined;
    const report = await verified(sources, book, progress, local).finally(() => progress.end());
    output.result(report, described(report, args.key !== undefined || !isLocal(sources, local)));
    return report.ok && report.problems.length === 0 ? EXIT.ok : EXIT.failed;
  },
});

interface Sources {
  readonly database: string | undefined;
  readonly files: readonly string[];
  readonly kafka: string | undefined;
}

const isLocal = ({ database, files }: Sources, local: boolean): boolean =>
  local || database !== undefined || files.length > 0;

async function verified(
  sources: Sources,
  book: CheckpointBook,
  progress: Progress,
  local: boolean,
): Promise<VerifyReport> {
  if (!isLocal(sources, local)) return await ask();
  const { database, files, kafka } = sources;
  return await withKafkaRecords(kafka, async (comparison) => {
    const onRecord = comparison ? (record: StoredRecord) => comparison.next(record) : undefined;
    const report =
      database !== undefined
        ? await verifyDatabase(databaseUrl(database), book, progress, onRecord)
        : files.length > 0
          ? await verifyFiles(files, book, progress, onRecord)
          : await verifyServiceExport(book, progress, onRecord);
    return comparison ? comparison.addedTo(report) : report;
  });
}

/** What must hold, before anything is read: the key that counts, and what was signed as far as it is kept elsewhere. */
async function bookOf(key: string | undefined, files: readonly string[]): Promise<CheckpointBook> {
  const book = new CheckpointBook(key === undefined ? [] : [verifierKey(key)]);
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((cause: unknown) => unreadable(file, cause));
    const notes = [...splitNotes(text)];
    if (notes.length === 0) throw new UsageError(`--checkpoints ${file} has no checkpoint in it`);
    book.add(notes);
  }
  return book;
}

function unreadable(file: string, cause: unknown): never {
  throw new UsageError(`--checkpoints ${file} cannot be read: ${String(cause)}`, { cause });
}

function verifierKey(given: string): VerifierKey {
  try {
    return VerifierKey.parse(given);
  } catch (cause) {
    throw new UsageError(`--key ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function ask(): Promise<VerifyReport> {
  const { body } = await call<VerifyReport>(auditEndpoint(), { path: '/v1/audit/verify', timeoutMs: PATIENCE_MS });
  // A proxy's or another service's `{}` must not count as a clean bill.
  if (typeof body.ok !== 'boolean' || !Array.isArray(body.problems))
    throw new Error('The answer is not a verification');
  return body;
}

function databaseUrl(given: string): string {
  try {
    return urlSetting('postgres:', 'postgresql:')('').parse(given);
  } catch (cause) {
    throw new UsageError(`--database ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function described(report: VerifyReport, vouched: boolean): string {
  const { ok, records, chains, checkpoints, problems, notices = [] } = report;
  const verdict = ok ? 'All is well' : `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`;
  return [
    `${verdict}: ${records} records in ${chains} chains, ${checkpoints ?? 0} checkpoints`,
    ...problems.map(place),
    ...(notices.length > 0 ? ['Worth knowing (the chains hold):', ...notices.map(place)] : []),
    ...(vouched
      ? []
      : ['Without --key no signature was checked: whoever owns the records could have made the checkpoints']),
  ]
    .map(printable)
    .join('\n');
}

const place = ({ chain, sequence, what }: Finding): string => `  ${chain} #${sequence}: ${what}`;
