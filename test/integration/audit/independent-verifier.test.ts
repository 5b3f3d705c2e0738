import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointBook, KeyRing, VerifierKey, linesOf, verifyExport } from '@bongsu/audit-chain';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { exportLines } from '../../../apps/audit/src/records/export.js';
import { MUTATIONS } from '../../../libs/audit-chain/src/verify/testing/mutations.js';
import { CLEAN, KEPT, old, textOf } from '../../../libs/audit-chain/src/verify/testing/signed-export.js';
import { freshAudit, logger, raw, raws, salts, type AuditDatabase } from './database.js';
import { newSigner, signChain } from './signed-store.js';

const EVENTS = 'notification.events.v1';
const VERIFIER = new URL('../../../verifier/bongsu_verify.py', import.meta.url).pathname;

const [signer, next] = [newSigner(), newSigner()];
let audit: AuditDatabase;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bongsu-verifier-'));
  audit = await freshAudit();
  const appender = new Appender(audit.database, salts, logger);
  await appender.append(EVENTS, 3, [
    ...raws(0, 100),
    // What Python and JavaScript could read differently.
    raw(104, { value: Buffer.from('{"tenant":"a\u2028b","recipientId":"\\ud83d\\ude00"}'), timestamp: -1n }),
    raw(105, { value: Buffer.from('{"tenant":"\\ud800","recipientId":1e400}') }),
    raw(106, { value: Buffer.from(`{"tenant":"${'x'.repeat(257)}","recipient":{"id":null},"recipientId":"r"}`) }),
    raw(107, { value: Buffer.from('{"tenant":NaN}'), key: null }),
    raw(108, {
      value: Buffer.from([0x7b, 0xff]),
      headers: [
        ['ce_id', Buffer.from('\uFEFFe')],
        ['ce_type', Buffer.from([0xff])],
      ],
    }),
    raw(109, { value: null, headers: [] }),
    raw(110, { value: Buffer.from(`{"a":${'['.repeat(5_000)}${']'.repeat(5_000)},"tenant":"acme"}`) }),
    raw(111, { value: Buffer.from(`{"n":${'9'.repeat(6_000)},"tenant":"acme","tenant":"last"}`) }),
  ]);
  await appender.append(EVENTS, 3, raws(2, 9)); // another topic of that name
  await appender.append('access.keys.v1', 0, [raw(7), raw(9)]);
  await signChain(audit.owner, { topic: EVENTS, partition: 3 }, [64], signer, next.verifier);
  await signChain(audit.owner, { topic: EVENTS, partition: 3 }, [117], next);
  await signChain(audit.owner, { topic: 'access.keys.v1', partition: 0 }, [2], next);
  await audit.owner.query(
    'UPDATE records SET payload = NULL, salt = NULL, recipient = NULL WHERE sequence IN (7, 8) AND kind = $1',
    ['record'],
  );
});
afterAll(async () => {
  await audit.close();
  await rm(folder, { recursive: true });
});

interface Verdict {
  readonly code: number;
  readonly out: string;
}

function python(...args: string[]): Promise<Verdict> {
  return new Promise((resolve) => {
    execFile('python3', [VERIFIER, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out: stdout + stderr });
    });
  });
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const exported = async (): Promise<string> => (await Readable.from(exportLines(audit.database, {})).toArray()).join('');

describe('the independent verifier', () => {
  it('finds an export of a real store well, and agrees with ours', async () => {
    const text = await exported();
    const ours = await verifyExport(linesOf(Readable.from([Buffer.from(text)])), new CheckpointBook([signer.verifier]));
    expect(ours.problems).toEqual([]);
    const { code, out } = await python(await file('export.ndjson', text), '--key', String(signer.verifier));
    expect([code, out.trimEnd().split('\n').at(-1)]).toEqual([0, `All is well: ${ours.records} records in 2 chains`]);
    expect(out).not.toContain('not signed');
    expect(ours.checkpoints).toBe(3);
  });

  it('finds it not signed by another key, and says what it cannot read', async () => {
    const path = await file('export.ndjson', await exported());
    const other = await python(path, '--key', String(newSigner().verifier));
    expect([other.code, other.out]).toEqual([1, expect.stringContaining('PROBLEM notification.events.v1/3 #64')]);
    expect((await python(path, '--key', 'nonsense')).code).toBe(2);
    expect((await python(join(folder, 'missing'))).code).toBe(2);
  });

  it('finds a note void, as ours does, that has a wrong signature by a key it knows', async () => {
    const [note] = KEPT;
    const [, name, signature] = /^\u2014 (\S+) (\S+)$/m.exec(note!)!;
    const wrong = Buffer.concat([Buffer.from(signature!, 'base64').subarray(0, 4), Buffer.alloc(64)]).toString(
      'base64',
    );
    const spoiled = `${note!.trimEnd()}\n\u2014 ${name} ${wrong}\n`;
    expect(new KeyRing(VerifierKey.parse(old.text)).open(spoiled)).toMatchObject({ refused: 'unsigned' });
    const path = await file('clean', textOf(CLEAN).join('\n'));
    const { code, out } = await python(path, '--key', old.text, '--checkpoints', await file('spoiled', spoiled));
    expect([code, out]).toEqual([1, expect.stringContaining('without a signature by a key that is trusted')]);
  });

  it('finds the same changes as ours, and where they are', async () => {
    const kept = await file('kept', KEPT.join('\n'));
    const clean = await python(await file('clean', textOf(CLEAN).join('\n')), '--key', old.text, '--checkpoints', kept);
    expect([clean.code, clean.out.trimEnd().split('\n').at(-1)]).toEqual([0, 'All is well: 120 records in 3 chains']);
    const missed: string[] = [];
    for (let run = 0; run < 3 * MUTATIONS.length; run++) {
      const { what, lines, kept: needed, chain, from, to } = MUTATIONS[run % MUTATIONS.length]!();
      const path = await file('mutation', lines.join('\n'));
      const { code, out } = await python(path, '--key', old.text, ...(needed ? ['--checkpoints', kept] : []));
      const first = out.split('\n').find((line) => line.startsWith(`PROBLEM ${chain} #`));
      const sequence = Number(/#(\d+)/.exec(first ?? '')?.[1]);
      if (code !== 1 || !(sequence >= from && sequence <= to))
        missed.push(`${what}: expected in ${chain} #${from} to #${to}, exit code ${code}, found ${out.slice(0, 300)}`);
    }
    expect(missed).toEqual([]);
  });
});
