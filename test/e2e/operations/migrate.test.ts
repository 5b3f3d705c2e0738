import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ServiceName } from '@bongsu/testing';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { System } from '../pipeline/system.js';

/** The programs that make the migrations before an upgrade replaces anything: deploy/helm runs them as Jobs. */

const APPS = join(import.meta.dirname, '..', '..', '..', 'apps');
let system: System;
let database: Client;
beforeAll(async () => {
  system = await System.start('migrate', []);
  database = new Client({ connectionString: system.databaseUrl });
  await database.connect();
});
afterAll(async () => {
  await database.end();
  await system.stop();
});

async function migrate(service: ServiceName, env: Record<string, string> = {}): Promise<{ code: number; log: string }> {
  const program = join(APPS, service, 'dist', 'apps', service, 'src', 'database', 'migrate.js');
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'], DATABASE_URL: system.databaseUrlOf(service), ...env },
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (log += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, log };
}

const made = async (service: ServiceName): Promise<number> =>
  (await database.query(`SELECT FROM ${service}.migrations`)).rowCount ?? 0;

describe.each(['api', 'notification', 'audit'] as const)('the migrations of %s', (service) => {
  it('are made without the service, may be made twice, and are what the service needs', async () => {
    // Two at once, as two replicas: they take turns.
    const both = await Promise.all([migrate(service), migrate(service)]);
    for (const { code, log } of both)
      expect([code, log]).toEqual([0, expect.stringContaining('the migrations are made')]);
    const first = await made(service);
    expect(first).toBeGreaterThan(2);
    await system.startService(service);
    expect(await made(service)).toBe(first);
  });

  it('say so with 1 when they fail, or a setting is wrong', async () => {
    await database.query(`ALTER TABLE ${service}.migrations RENAME TO hidden`);
    const failed = await migrate(service);
    await database.query(
      `DROP TABLE IF EXISTS ${service}.migrations; ALTER TABLE ${service}.hidden RENAME TO migrations`,
    );
    expect([failed.code, failed.log]).toEqual([1, expect.stringContaining('a migration failed')]);
    const wrong = await migrate(service, { DATABASE_POOL: 'many' });
    expect([wrong.code, wrong.log]).toEqual([
      1,
      expect.stringMatching(/^The settings are not valid:\n {2}- DATABASE_POOL/),
    ]);
  });
});
