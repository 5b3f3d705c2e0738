import { readFileSync } from 'node:fs';
import { readFile, rm, symlink } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, escapeIdentifier, escapeLiteral, type ClientConfig } from 'pg';

const ROLES = join(import.meta.dirname, '..', '..', 'infra', 'postgres', 'roles.sql');

export const SERVICES = ['api', 'notification', 'audit'] as const;
export type Service = (typeof SERVICES)[number];

/** The password of each service's role; one that is not given is the role's name. Without `monitor`, bongsu_monitor cannot log in. */
export type RolePasswords = Partial<Record<Service | 'monitor', string>>;

/** The role of a service in PostgreSQL. */
export const roleOf = (service: Service): string => `bongsu_${service}`;

/** The address by which a service reaches its schema. */
export function serviceUrl(service: Service, port: number, database = 'bongsu', password = roleOf(service)): string {
  return `postgres://${roleOf(service)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
}

/** The superuser's settings from its URL. As fields: next to a connection string, `database` would be ignored. */
export function superuserOf(url: string): ClientConfig {
  const { hostname, port, username, password, searchParams } = new URL(url);
  const ca = searchParams.get('sslrootcert');
  return {
    host: hostname,
    port: Number(port),
    user: username,
    password: decodeURIComponent(password),
    ...(ca === null ? {} : { ssl: { ca: readFileSync(ca, 'utf8') } }),
  };
}

/**
 * Makes the database with each service's role and schema where they are not there yet; sets the roles' passwords.
 * Safe to be called by several at once, for several databases of one server.
 */
export async function createServiceDatabase(
  superuser: ClientConfig,
  database: string,
  passwords: RolePasswords = {},
): Promise<void> {
  // Roles belong to the whole server, and two that alter one role at the same time fail: one after the other, by a lock
  // in the database that everybody has.
  await withClient({ ...superuser, database: 'postgres' }, async (maintenance) => {
    await maintenance.query(`SELECT pg_advisory_lock(hashtext('bongsu roles'))`);
    const { rowCount } = await maintenance.query('SELECT FROM pg_database WHERE datname = $1', [database]);
    if (rowCount === 0) await maintenance.query(`CREATE DATABASE ${escapeIdentifier(database)}`);
    await withClient({ ...superuser, database }, async (client) => {
      for (const service of [...SERVICES, 'monitor'] as const) {
        await client.query('SELECT set_config($1, $2, false)', [
          `bongsu.${service}_password`,
          passwords[service] ?? '',
        ]);
      }
      await client.query(await readFile(ROLES, 'utf8'));
    });
  });
}

/** Sets the superuser's password, whatever it was before. */
export async function setSuperuserPassword(superuser: ClientConfig, password: string): Promise<void> {
  await withClient(superuser, (client) => client.query(`ALTER ROLE postgres PASSWORD ${escapeLiteral(password)}`));
}

/** Whether PostgreSQL takes sessions (it does not while it recovers from a crash). */
export async function postgresIsReady(superuser: ClientConfig): Promise<boolean> {
  await withClient({ ...superuser, connectionTimeoutMillis: 1_000 }, (client) => client.query('SELECT 1'));
  return true;
}

/**
 * The superuser's way in by the socket in `folder`, for as long as `use` runs. A socket's path may have no more than about
 * a hundred bytes, which a checkout deep down exceeds: then a short link leads there.
 */
export async function throughSocket<T>(
  folder: string,
  port: number,
  use: (superuser: ClientConfig) => Promise<T>,
): Promise<T> {
  // Said explicitly: what is left out, the driver takes from PG… variables that are meant for another server.
  const settings = { port, user: 'postgres', database: 'postgres', ssl: false };
  if (Buffer.byteLength(folder) < 80) return use({ ...settings, host: folder });
  const link = join(tmpdir(), `bongsu-${randomBytes(6).toString('hex')}`);
  await symlink(folder, link);
  try {
    return await use({ ...settings, host: link });
  } finally {
    await rm(link, { force: true });
  }
}

async function withClient<T>(config: ClientConfig, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(config);
  // Without a listener a connection that breaks would end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
