import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Jars } from './jars.ts';
import { javaArguments, javaCommand } from './java.ts';
import { SERVICES, type RolePasswords } from './postgres-database.ts';

const INFRA = join(import.meta.dirname, '..', '..', 'infra');
/** What is different in secure mode. */
export const SECURE_INFRA = join(INFRA, 'secure');

/** The folder that `infra/secure/make-secrets` has filled. */
export interface StackSecrets {
  readonly folder: string;
  /** The PEM file of the authorities to trust. */
  readonly ca: string;
  /** The path of a file in the folder. */
  readonly file: (name: string) => string;
}

export const secretsIn = (folder: string): StackSecrets => ({
  folder,
  ca: join(folder, 'ca.pem'),
  file: (name) => join(folder, name),
});

/** Makes what is missing in the folder, certificates and passwords. Takes bash and openssl. */
export async function makeSecrets(folder: string, ...options: readonly string[]): Promise<StackSecrets> {
  await promisify(execFile)(join(SECURE_INFRA, 'make-secrets'), [folder, ...options]);
  return secretsIn(folder);
}

export const passwordOf = async ({ file }: StackSecrets, name: string): Promise<string> =>
  (await readFile(file(`${name}.password`), 'utf8')).trim();

/** The passwords of the services' roles in PostgreSQL. */
export async function rolePasswordsIn(secrets: StackSecrets): Promise<RolePasswords> {
  const passwords = SERVICES.map(
    async (service) => [service, await passwordOf(secrets, `database-${service}`)] as const,
  );
  return Object.fromEntries(await Promise.all(passwords));
}

/** Java's argument that says with which file it logs in. */
export const loginFlag = ({ file }: StackSecrets, jaas: string): string =>
  `-Djava.security.auth.login.config=${file(jaas)}`;

/** Who must be known before a broker starts: the broker itself, to others like it, and who makes all other users. */
const FIRST_USERS = ['bongsu-broker', 'bongsu-admin'];

/**
 * Writes the first users' passwords into ZooKeeper, which must be up, with Kafka's own tool: what is checked at a login is
 * derived from a password and a salt there, and not the password itself.
 */
export async function registerFirstUsers(jars: Jars, zooKeeper: string, secrets: StackSecrets): Promise<void> {
  const java = javaArguments(jars, 'kafka.admin.ConfigCommand', {
    flags: ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', loginFlag(secrets, 'zookeeper-client.jaas')],
    log4j: join(INFRA, 'kafka', 'tools-log4j.properties'),
    exporter: undefined,
  });
  const alter = (user: string): string[] => [
    '--zookeeper',
    zooKeeper,
    '--alter',
    '--entity-type',
    'users',
    '--entity-name',
    user,
    '--add-config-file',
    secrets.file(`${user}.scram`),
  ];
  await Promise.all(FIRST_USERS.map((user) => promisify(execFile)(javaCommand(), [...java, ...alter(user)])));
}
