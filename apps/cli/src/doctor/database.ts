import { Client } from 'pg';
import { examineSchemas } from './schemas.js';
import { clockFinding } from './clocks.js';
import { examineLedger } from './ledger-gaps.js';
import { failed, messageOf, ok, skipped, warning, type Finding } from './finding.js';

/** Of the sessions that the server takes; with more in use the next replica may not get in. */
const FULL = 0.9;

export type Ask = <T>(sql: string, values?: readonly unknown[]) => Promise<T[]>;

/** PostgreSQL and what each service keeps there, when DATABASE_URL says where it is. */
export async function examinePostgres(url: string | undefined, now: () => number): Promise<Finding[]> {
  const what = 'PostgreSQL';
  if (!url)
    return [skipped(what, 'DATABASE_URL is not set; its role sees its own schema only, the superuser all of them')];
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
    application_name: 'bongsu-cli',
  });
  client.on('error', () => undefined); // a lost connection fails the statement that waits, which is where it is handled
  try {
    await client.connect();
    const ask: Ask = async <T>(sql: string, values: readonly unknown[] = []) =>
      (await client.query(sql, [...values])).rows as T[];
    return [
      ...(await examineServer(ask)),
      await examineClock(ask, now),
      ...(await examineSchemas(ask, now())),
      await examineLedger(ask, now()),
    ];
  } catch (error) {
    return [failed(what, messageOf(error), 'Start PostgreSQL, or mend DATABASE_URL')];
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function examineServer(ask: Ask): Promise<Finding[]> {
  const [server] = await ask<{ version: string; role: string; most: number; sessions: number; recovering: boolean }>(
    `SELECT current_setting('server_version') AS version, current_user AS role, pg_is_in_recovery() AS recovering,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS sessions`,
  );
  if (!server) return [];
  const { version, role, most, sessions, recovering } = server;
  const findings = [ok('PostgreSQL', `${version} answers, as ${role}; ${sessions} of ${most} sessions in use`)];
  if (recovering)
    findings.push(
      failed(
        'PostgreSQL',
        'it is a standby, or still recovers: nothing can be written',
        'Name the primary, or promote this one',
      ),
    );
  if (sessions > most * FULL)
    findings.push(
      warning(
        'PostgreSQL',
        `${sessions} of ${most} sessions are in use`,
        'Lower DATABASE_POOL, or raise max_connections',
      ),
    );
  return findings;
}

async function examineClock(ask: Ask, now: () => number): Promise<Finding> {
  const before = now();
  const [row] = await ask<{ ms: string }>('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms');
  return clockFinding('PostgreSQL', Number(row?.ms) - (before + now()) / 2);
}
