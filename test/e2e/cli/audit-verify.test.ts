import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VerifyReport } from '@bongsu/audit-chain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { CLEAN, forger, KEPT, old, textOf } from '../../../libs/audit-chain/src/verify/testing/signed-export.js';
import { freshAudit, logger, raws, salts, type AuditDatabase } from '../../integration/audit/database.js';
import { newSigner, signChain } from '../../integration/audit/signed-store.js';

const BIN = join(import.meta.dirname, '..', '..', '..', 'apps', 'cli', 'bin', 'bongsu.js');
const PLACE = { topic: 'notification.events.v1', partition: 0 };

let folder: string;
let audit: AuditDatabase;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bongsu-verify-'));
  audit = await freshAudit();
});
afterAll(async () => {
  await audit.close();
  await rm(folder, { recursive: true });
});

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function verify(...args: string[]): Promise<Result> {
  return new Promise((resolve) => {
    execFile(process.execPath, [BIN, 'audit', 'verify', ...args], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
  });
}

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

describe('bongsu audit verify --export', () => {
  it('needs no service, and finds a clean export well', async () => {
    const path = await file('clean', textOf(CLEAN).join('\n'));
    const { code, stdout } = await verify(
      '--export',
      path,
      '--key',
      old.text,
      '--checkpoints',
      await file('kept', KEPT.join('\n')),
    );
    expect([code, stdout.split('\n')[0]]).toEqual([0, 'All is well: 120 records in 3 chains, 24 checkpoints']);
    const unkeyed = await verify('--export', path, '--progress');
    expect([unkeyed.code, unkeyed.stdout]).toEqual([0, expect.stringContaining('no signature was checked')]);
    expect(unkeyed.stderr).toContain('records, ');
  });

  it('takes the chains of several files together', async () => {
    const [first, second, third] = CLEAN.map((_, i) => textOf([CLEAN[i]!], KEPT.slice(i * 4, i * 4 + 4)).join('\n'));
    const files = [await file('1', `${first}\n`), await file('2', `${second}\n`), await file('3', `${third}\n`)];
    const { code, stdout } = await verify(...files.flatMap((each) => ['--export', each]), '--key', old.text, '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { ok: true, records: 120, chains: 3 }]);
  });

  it('names what was changed', async () => {
    const lines = textOf(CLEAN);
    const { code, stdout } = await verify(
      '--export',
      await file('dropped', lines.toSpliced(4, 1).join('\n')),
      '--key',
      old.text,
      '--json',
    );
    const report = JSON.parse(stdout) as VerifyReport;
    expect([code, report.problems[0]]).toMatchObject([1, { chain: 'notification.events.v1/0', sequence: 5 }]);
    const other = await verify('--export', await file('clean', lines.join('\n')), '--key', forger.text);
    expect([other.code, other.stdout]).toEqual([1, expect.stringContaining('no key that is trusted has signed it')]);
  });

  it('refuses what it cannot use, and says so when a file is missing', async () => {
    expect(await verify('--export', 'x', '--key', 'y')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--key') as string,
    });
    expect(await verify('--export', 'x', '--database', 'postgres://y')).toMatchObject({ code: 2 });
    expect(await verify('--export', 'x', '--checkpoints', await file('empty', ''))).toMatchObject({ code: 2 });
    expect(await verify('--export', 'missing')).toMatchObject({ code: 3 });
  });
});

describe('bongsu audit verify --database', () => {
  it('checks signatures, and checkpoints that were kept elsewhere', async () => {
    const signer = newSigner();
    await new Appender(audit.database, salts, logger).append(PLACE.topic, PLACE.partition, raws(0, 50));
    const notes = await signChain(audit.owner, PLACE, [20, 50], signer);
    const args = [
      '--database',
      audit.url,
      '--key',
      String(signer.verifier),
      '--checkpoints',
      await file('notes', notes.join('')),
    ];
    const clean = await verify(...args);
    expect([clean.code, clean.stdout.split('\n')[0]]).toEqual([
      0,
      'All is well: 50 records in 1 chains, 4 checkpoints',
    ]);
    await audit.owner.query('DELETE FROM records WHERE sequence > 30');
    await audit.owner.query('DELETE FROM checkpoints WHERE size > 30');
    const rolledBack = await verify(...args);
    expect([rolledBack.code, rolledBack.stdout]).toEqual([1, expect.stringContaining('#31: the chain ends here')]);
  });
});
