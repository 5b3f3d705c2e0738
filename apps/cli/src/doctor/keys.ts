import { privateKey, SigningKey } from '@bongsu/audit-chain';
import { CommandFailure } from '../command-line/exit.js';
import { call } from '../http/client.js';
import { apiEndpoint, auditEndpoint } from '../settings.js';
import { messageOf, ok, skipped, warning, type Finding } from './finding.js';
import { duration } from './time.js';

/** Of docker-compose.yml and .env.example: everybody can read them there. */
const KNOWN_API_KEY = 'bongsu-development-key-change-it-before-use';
const KNOWN_SIGNING_SEED = 'ZGV2ZWxvcG1lbnQtc2lnbmluZy1rZXktY2hhbmdlLWk=';
const SOON_MS = 14 * 86_400_000;
const PATIENCE_MS = 5_000;
const MOST_PAGES = 20;

interface ApiKey {
  readonly name: string;
  readonly tenant: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

/** Keys: those that everybody knows, those that end soon, and whether the audit trail is signed at all. */
export async function examineKeys(now: number): Promise<Finding[]> {
  return (await Promise.all([examineApiKeys(now), examineSigningKey()])).flat();
}

async function examineApiKeys(now: number): Promise<Finding[]> {
  const what = 'API keys';
  const findings: Finding[] = [];
  const endpoint = apiEndpoint();
  if (endpoint.key === KNOWN_API_KEY)
    findings.push(
      warning(
        what,
        "BOOTSTRAP_API_KEY is the example's, which everybody knows",
        'Set one of your own: openssl rand -hex 32',
      ),
    );
  try {
    const keys = (await allKeys()).filter(({ revokedAt }) => revokedAt === undefined);
    const ending = keys.filter(({ expiresAt }) => {
      const left = expiresAt === undefined ? Infinity : Date.parse(expiresAt) - now;
      return left > 0 && left < SOON_MS;
    });
    if (ending.length > 0) {
      const named = ending
        .slice(0, 5)
        .map(
          ({ name, tenant, expiresAt }) =>
            `${name} of ${tenant} in ${duration((Date.parse(expiresAt ?? '') - now) / 1000)}`,
        );
      const more = ending.length > 5 ? `, and ${ending.length - 5} more` : '';
      findings.push(
        warning(what, `end soon: ${named.join(', ')}${more}`, 'Make new ones (POST /v1/api-keys) and hand them out'),
      );
    }
    return findings.length > 0
      ? findings
      : [ok(what, `${keys.length} besides the first one, none ends within ${duration(SOON_MS / 1000)}`)];
  } catch (error) {
    return [
      ...findings,
      skipped(what, error instanceof CommandFailure ? messageOf(error) : 'the API does not list them'),
    ];
  }
}

async function allKeys(): Promise<ApiKey[]> {
  const keys: ApiKey[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MOST_PAGES; page++) {
    const { body } = await call<{ data: ApiKey[]; nextCursor: string | null }>(apiEndpoint(), {
      path: '/v1/api-keys',
      query: { limit: '100', cursor },
      timeoutMs: PATIENCE_MS,
    });
    keys.push(...body.data);
    if (body.nextCursor === null) break;
    cursor = body.nextCursor;
  }
  return keys;
}

async function examineSigningKey(): Promise<Finding> {
  const what = 'signing key';
  try {
    const { body } = await call<{ keys?: readonly string[] }>(auditEndpoint(), {
      path: '/v1/audit/keys',
      timeoutMs: PATIENCE_MS,
    });
    const [current] = body.keys ?? [];
    if (current === undefined)
      return warning(
        what,
        'there is none: the audit trail is not signed',
        'Set AUDIT_SIGNING_KEY (docs/guides/audit-checkpoints.md)',
      );
    const known = new SigningKey(current.split('+')[0] ?? '', privateKey(KNOWN_SIGNING_SEED)).verifier.toString();
    if (current === known)
      return warning(
        what,
        "it is the example's, which everybody knows: its signatures prove nothing",
        'Set AUDIT_SIGNING_KEY (docs/guides/audit-checkpoints.md)',
      );
    return ok(what, current);
  } catch (error) {
    return skipped(what, error instanceof CommandFailure ? messageOf(error) : 'the audit service does not show it');
  }
}
