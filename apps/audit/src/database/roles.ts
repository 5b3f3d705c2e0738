import type { Logger } from '@bongsu/observability';
import { query, type Tx } from '@bongsu/persistence';
import type { DataSource } from 'typeorm';

/** Owns the schema: migrations and partitions. infra/postgres/roles.sql makes these roles and says what each may do. */
export const OWNER = 'bongsu_audit_owner';
/** May empty the payload columns of records, and nothing else. */
export const ERASER = 'bongsu_audit_eraser';
export type Role = typeof OWNER | typeof ERASER;

/** Which of the roles the service's own role may step into; none where an operator gave us one role for everything. */
export async function rolesOf(dataSource: DataSource): Promise<ReadonlySet<Role>> {
  const rows = await query<{ role: Role }>(
    dataSource,
    `SELECT rolname AS role FROM pg_roles LEFT JOIN pg_namespace schema ON nspname = 'audit'
     WHERE pg_has_role(current_user, pg_roles.oid, 'SET')
       AND (rolname = $1 AND nspowner = pg_roles.oid OR rolname = $2 AND has_schema_privilege(rolname, schema.oid, 'USAGE'))`,
    [OWNER, ERASER],
  );
  return new Set(rows.map(({ role }) => role));
}

/** Acts as the role until the transaction ends. `role` is one of ours, never input: a role cannot be a bound value. */
export async function actAs(tx: Tx, role: Role): Promise<void> {
  await tx.query(`SET LOCAL ROLE ${role}`);
}

/** Says so when the service itself could change what it recorded: an installation to mend, yet not one to refuse. */
export async function warnOfRights(dataSource: DataSource, logger: Logger): Promise<void> {
  const [may] = await query<{ change: boolean }>(
    dataSource,
    "SELECT has_any_column_privilege('records', 'UPDATE') OR has_table_privilege('records', 'DELETE, TRUNCATE') AS change",
  );
  if (may?.change)
    logger.warn(
      'The database role may change and delete records; give it SELECT and INSERT (infra/postgres/roles.sql)',
    );
}
