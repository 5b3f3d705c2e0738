import { NOTIFICATION_REQUESTED } from '@bongsu/contracts';
import type { Ask } from './database.js';
import { failed, ok, skipped, type Finding } from './finding.js';

const DAY_MS = 86_400_000;
/** Half of the shortest LEDGER_RETENTION: what is older may have been dropped in order. */
const LOOK_BACK_MS = 7 * DAY_MS;
/** What is younger may still be on its way. */
const SETTLED_MS = 10 * 60_000;
const MOMENTS = 200;
const AT_EACH = 20;

/**
 * Whether the ledger has what the audit trail says was accepted. A ledger that was restored from a backup, and whose group was not wound
 * back, lacks what was accepted in between, and nothing else would ever say so. A sample, some at each of many moments,
 * so that it takes as long with a hundred million records.
 */
export async function examineLedger(ask: Ask, now: number): Promise<Finding> {
  const what = 'ledger';
  // In two questions: to name a table in a schema that one may not see is an error.
  const [may] = await ask<{ both: boolean }>(
    `SELECT count(*) FILTER (WHERE has_schema_privilege(oid, 'USAGE')) = 2 AS both
       FROM pg_namespace WHERE nspname IN ('audit', 'notification')`,
  );
  if (!may?.both) return skipped(what, 'needs a role that sees the schemas of notification and audit');
  const [are] = await ask<{ there: boolean }>(
    `SELECT to_regclass('audit.records') IS NOT NULL AND to_regclass('notification.notifications') IS NOT NULL AS there`,
  );
  if (!are?.there) return skipped(what, 'the tables of notification or audit are not there yet');
  const [row] = await ask<{ sampled: number; missing: number; example: string | null }>(SAMPLE, [
    now - LOOK_BACK_MS,
    now - SETTLED_MS,
    NOTIFICATION_REQUESTED,
  ]);
  const { sampled = 0, missing = 0, example = null } = row ?? {};
  if (missing === 0) return ok(what, `has ${sampled} of ${sampled} sampled notifications of the last 7 days`);
  return failed(
    what,
    `${missing} of ${sampled} sampled notifications that were accepted over 10 minutes ago are not in it, ${example} among them`,
    'While group bongsu.notification is behind, wait. Was the database restored? Wind the group back: docs/operations.md#postgresql-from-a-backup',
  );
}

const SAMPLE = `
  WITH bounds AS (
    SELECT min(timestamp_ms) AS first FROM audit.records WHERE timestamp_ms BETWEEN $1::bigint AND $2::bigint
  ), accepted AS (
    SELECT DISTINCT r.subject FROM bounds,
      generate_series(0, ${MOMENTS - 1}) AS n,
      LATERAL (SELECT subject FROM audit.records
                WHERE timestamp_ms BETWEEN first + (($2::bigint - first) / ${MOMENTS}) * n AND $2::bigint AND type = $3
                  AND subject ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                ORDER BY timestamp_ms LIMIT ${AT_EACH}) r
  ), looked AS (
    SELECT subject, EXISTS (SELECT FROM notification.notifications WHERE id = subject::uuid) AS there FROM accepted
  )
  SELECT count(*)::int AS sampled, (count(*) FILTER (WHERE NOT there))::int AS missing, min(subject) FILTER (WHERE NOT there) AS example
    FROM looked`;
