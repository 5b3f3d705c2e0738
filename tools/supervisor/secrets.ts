import { randomBytes } from 'node:crypto';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StackSettings } from './stack-settings.ts';

export interface Secrets {
  readonly apiKey: string;
  readonly webhookSecret: string;
  /** Without it the audit's store could not be rebuilt with the same hashes (docs/adr/0011). */
  readonly auditSaltKey: string;
  /** What checkpoints of the audit trail are signed with; the base64 of an Ed25519 seed. */
  readonly auditSigningKey: string;
}

/**
 * The environment's secrets, else those made at the first start and kept. The key in use is also in `<keysHome>/api-key`, where
 * the CLI looks for it.
 */
export async function loadSecrets({ keysHome: home, ...given }: StackSettings): Promise<Secrets> {
  const secrets = {
    apiKey:
      given.apiKey ??
      (await kept(join(home, 'secrets', 'api-key'), () => `bongsu_${randomBytes(32).toString('base64url')}`)),
    webhookSecret:
      given.webhookSecret ??
      (await kept(
        join(home, 'secrets', 'webhook-signing-secret'),
        () => `whsec_${randomBytes(32).toString('base64')}`,
      )),
    auditSaltKey:
      given.auditSaltKey ??
      (await kept(join(home, 'secrets', 'audit-salt-key'), () => randomBytes(32).toString('base64'))),
    // Any 32 bytes are the seed of an Ed25519 key (RFC 8032, 5.1.5).
    auditSigningKey:
      given.auditSigningKey ??
      (await kept(join(home, 'secrets', 'audit-signing-key'), () => randomBytes(32).toString('base64'))),
  };
  await write(join(home, 'api-key'), secrets.apiKey);
  return secrets;
}

async function kept(path: string, make: () => string): Promise<string> {
  const before = await readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
  if (before !== '') return before;
  const made = make();
  await write(path, made);
  return made;
}

/** Readable by nobody else at any moment, and whole or not there. */
async function write(path: string, value: string): Promise<void> {
  await writeFile(`${path}.new`, `${value}\n`, { mode: 0o600 });
  await chmod(`${path}.new`, 0o600);
  await rename(`${path}.new`, path);
}
