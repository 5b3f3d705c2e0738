import { Client } from 'pg';
import { failed, messageOf, ok, skipped, type Finding } from './finding.js';

/** PostgreSQL, when DATABASE_URL says where it is. */
export async function examinePostgres(url: string | undefined): Promise<Finding> {
  const what = 'PostgreSQL';
  if (!url) return skipped(what, 'DATABASE_URL is not set');
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
    application_name: 'bongsu-cli',
  });
  client.on('error', () => undefined); // a lost connection fails the statement that waits, which is where it is handled
  try {
    await client.connect();
    const { rows } = await client.query<{ version: string; role: string }>(
      "SELECT current_setting('server_version') AS version, current_user AS role",
    );
    return ok(what, `${rows[0]?.version ?? '?'} answers, as ${rows[0]?.role ?? '?'}`);
  } catch (error) {
    return failed(what, messageOf(error), 'Start PostgreSQL, or mend DATABASE_URL');
  } finally {
    await client.end().catch(() => undefined);
  }
}
