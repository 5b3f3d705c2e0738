import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, join, resolve } from 'node:path';
import { matching, optional, port, readSettings, secret, text, url } from '@bongsu/config';
import { API_KEY_PATTERN } from '@bongsu/contracts';
import { CommandFailure, EXIT } from './command-line/exit.js';

const SPEC = {
  BONGSU_API_URL: url('http:', 'https:')('where the API is', `http://127.0.0.1:${process.env['API_PORT'] ?? '3000'}`),
  BONGSU_AUDIT_URL: url('http:', 'https:')(
    'where the audit service is',
    `http://127.0.0.1:${process.env['AUDIT_PORT'] ?? '3002'}`,
  ),
  BONGSU_API_KEY: optional(
    secret(matching(new RegExp(API_KEY_PATTERN), 'an API key: 32 or more of A-Z, a-z, 0-9, _ and -')('who calls')),
  ),
  BONGSU_HOME: optional(text('the folder of the local stack')),
} as const;

const MANAGEMENT_SPEC = {
  API_MANAGEMENT_PORT: port("the api's health and metrics", '9464'),
  NOTIFICATION_MANAGEMENT_PORT: port("the notification service's health and metrics", '9465'),
  AUDIT_MANAGEMENT_PORT: port("the audit service's health and metrics", '9466'),
  MAIL_PORT: port('the page of the mail catcher', '8025'),
} as const;

/** A service and the key to call it with. */
export interface Endpoint {
  readonly name: 'API' | 'audit service';
  readonly url: string;
  readonly variable: 'BONGSU_API_URL' | 'BONGSU_AUDIT_URL';
  readonly key: string | undefined;
}

export function apiEndpoint(env = process.env): Endpoint {
  const settings = readSettings(SPEC, env);
  const address = settings.BONGSU_API_URL;
  return { name: 'API', variable: 'BONGSU_API_URL', url: address, key: keyFor(address, settings) };
}

export function auditEndpoint(env = process.env): Endpoint {
  const settings = readSettings(SPEC, env);
  const address = settings.BONGSU_AUDIT_URL;
  return { name: 'audit service', variable: 'BONGSU_AUDIT_URL', url: address, key: keyFor(address, settings) };
}

/** Ports of the local stack that `doctor` looks at. */
export const managementPorts = (env = process.env) => readSettings(MANAGEMENT_SPEC, env);

interface KeySettings {
  readonly BONGSU_API_KEY: string | undefined;
  readonly BONGSU_HOME: string | undefined;
}

/**
 * BONGSU_API_KEY, else the key that the local stack keeps. The latter goes to this machine only: whoever is named in
 * BONGSU_API_URL must not be given the key of another system by default.
 */
function keyFor(address: string, settings: KeySettings): string | undefined {
  if (settings.BONGSU_API_KEY !== undefined) return settings.BONGSU_API_KEY;
  if (!isLoopback(new URL(address).hostname)) return undefined;
  const file = homes(settings.BONGSU_HOME)
    .map((home) => join(home, 'api-key'))
    .find((path) => existsSync(path));
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new CommandFailure(EXIT.unreachable, `The API key in ${file} cannot be read: ${String(cause)}`, { cause });
  }
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);

/** Where the local stack keeps its state: BONGSU_HOME, else `.bongsu` here, else in the repository that this file is built in. */
function homes(given: string | undefined): string[] {
  if (given !== undefined) return [resolve(given)];
  const built = dirname(fileURLToPath(import.meta.url)); // <repository>/apps/cli/dist/apps/cli/src
  return [resolve('.bongsu'), resolve(built, '../../../../../..', '.bongsu')];
}
