import { url as urlSetting } from '@bongsu/config';
import { EXIT, UsageError } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { printable } from '../command-line/output.js';
import { call } from '../http/client.js';
import { auditEndpoint } from '../settings.js';
import { verifyDatabase } from './database.js';
import type { Finding, VerifyReport } from '@bongsu/audit-chain';

/** A verification reads every record; the service answers when it is through. Milliseconds. */
const PATIENCE_MS = 3_600_000;

export const verify = leaf({
  name: 'verify',
  description: 'Check every record of every chain (Exit code: 0 only when all is well)',
  args: {
    database: {
      type: 'string',
      valueHint: 'url',
      description: 'Read this PostgreSQL database directly instead of asking the audit service',
    },
  },
  async run({ args, output }) {
    const report = args.database === undefined ? await ask() : await verifyDatabase(databaseUrl(args.database));
    output.result(report, described(report));
    return report.ok && report.problems.length === 0 ? EXIT.ok : EXIT.failed;
  },
});

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

function described({ ok, records, chains, problems, notices }: VerifyReport): string {
  const verdict = ok ? 'All is well' : `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`;
  return [
    `${verdict}: ${records} records in ${chains} chains`,
    ...problems.map(place),
    ...((notices ?? []).length > 0 ? ['Worth knowing (the chains hold):', ...(notices ?? []).map(place)] : []),
  ]
    .map(printable)
    .join('\n');
}

const place = ({ chain, sequence, what }: Finding): string => `  ${chain} #${sequence}: ${what}`;
