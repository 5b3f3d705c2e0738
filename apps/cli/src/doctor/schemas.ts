import type { Ask } from './database.js';
import { failed, ok, skipped, warning, type Finding } from './finding.js';
import { MIGRATIONS } from './migrations.js';
import { duration } from './time.js';

/** Seconds that a committed fact may wait to be sent before it is worth a word. */
const STUCK_SECONDS = 60;

/** What each service keeps: its migrations, partitions for what comes, and facts that wait to be sent. */
export async function examineSchemas(ask: Ask, now: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const schema of ['api', 'notification', 'audit'] as const) {
    const [access] = await ask<{ there: boolean; ours: boolean }>(
      `SELECT to_regnamespace($1) IS NOT NULL AS there,
         coalesce(has_schema_privilege(to_regnamespace($1)::oid, 'USAGE'), false) AS ours`,
      [schema],
    );
    const what = `database of ${schema}`;
    if (!access?.there)
      findings.push(failed(what, `there is no schema ${schema}`, 'Run infra/postgres/roles.sql as the superuser'));
    else if (!access.ours) findings.push(skipped(what, 'DATABASE_URL names a role that may not see it'));
    else findings.push(...(await examineSchema(ask, schema, now)));
  }
  return findings;
}

async function examineSchema(ask: Ask, schema: keyof typeof MIGRATIONS, now: number): Promise<Finding[]> {
  const what = `database of ${schema}`;
  const [table] = await ask<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
    `${schema}.migrations`,
  ]);
  if (!table?.there) return [failed(what, 'it is empty', `Start ${schema}: it makes its tables`)];
  const rows = await ask<{ name: string }>(`SELECT name FROM ${schema}.migrations ORDER BY timestamp`);
  const applied = new Set(rows.map(({ name }) => name));
  const pending = MIGRATIONS[schema].filter((name) => !applied.has(name));
  const newer = [...applied].filter((name) => !MIGRATIONS[schema].includes(name));
  const findings: Finding[] = [];
  if (pending.length > 0)
    findings.push(
      failed(
        what,
        `migrations that are not made: ${pending.join(', ')}`,
        `Start ${schema} of this version; its log says why when one fails`,
      ),
    );
  if (newer.length > 0)
    findings.push(
      warning(what, `migrations of a later version: ${newer.join(', ')}`, 'Use the bongsu of the version that runs'),
    );
  if (findings.length === 0) findings.push(ok(what, `${applied.size} migrations, none waits`));
  findings.push(...(await examinePartitions(ask, schema, now)));
  if (schema !== 'audit') findings.push(...(await examineOutbox(ask, schema)));
  return findings;
}

/** Partitions are named after the time when they begin: `…_2026112100`, `…_2026_12`. */
async function examinePartitions(ask: Ask, schema: string, now: number): Promise<Finding[]> {
  const rows = await ask<{ parent: string; newest: string | null }>(
    `SELECT p.relname AS parent, max(substring(c.relname from '_(\\d{10}|\\d{4}_\\d{2})$')) AS newest
       FROM pg_partitioned_table t JOIN pg_class p ON p.oid = t.partrelid LEFT JOIN pg_inherits i ON i.inhparent = p.oid
       LEFT JOIN pg_class c ON c.oid = i.inhrelid
      WHERE p.relnamespace = to_regnamespace($1) GROUP BY 1 ORDER BY 1`,
    [schema],
  );
  const lacking = rows.filter(({ newest }) => newest === null || beginning(newest) <= now).map(({ parent }) => parent);
  if (lacking.length === 0) return [];
  return [
    warning(
      `database of ${schema}`,
      `no partition for the time after this one: ${lacking.join(', ')}`,
      `Start ${schema}, or see in its log why it cannot make them; rows go to the default partition meanwhile, and old ones of it cannot be dropped`,
    ),
  ];
}

/** Milliseconds since 1970. */
function beginning(suffix: string): number {
  const digits = suffix.replace('_', '');
  const [year, month, day, hour] = [
    digits.slice(0, 4),
    digits.slice(4, 6),
    digits.slice(6, 8) || '01',
    digits.slice(8, 10) || '00',
  ];
  return Date.parse(`${year}-${month}-${day}T${hour}:00:00Z`);
}

async function examineOutbox(ask: Ask, schema: string): Promise<Finding[]> {
  const [row] = await ask<{ pending: string | null; seconds: number | null }>(
    `SELECT sum(s.last_seq - r.relayed_seq) AS pending, max(extract(epoch FROM clock_timestamp() - o.created_at))::float8 AS seconds
       FROM ${schema}.outbox_streams s JOIN ${schema}.outbox_relays r USING (stream)
       LEFT JOIN LATERAL (SELECT created_at FROM ${schema}.outbox o WHERE o.stream = r.stream AND o.seq > r.relayed_seq
                          ORDER BY o.seq LIMIT 1) o ON true`,
  );
  const [pending, seconds] = [Number(row?.pending ?? 0), row?.seconds ?? 0];
  const what = `outbox of ${schema}`;
  const detail =
    pending === 0 ? 'everything is in Kafka' : `${pending} facts wait, the oldest for ${duration(seconds)}`;
  if (seconds <= STUCK_SECONDS) return [ok(what, detail)];
  return [failed(what, detail, `Is Kafka there, and ${schema}? docs/runbook.md#outboxstuck`)];
}
