import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ID, ScriptedApi } from './scripted-api.js';

const BIN = join(import.meta.dirname, '..', '..', '..', 'apps', 'cli', 'bin', 'bongsu.js');

let api: ScriptedApi;
let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'bongsu-receipt-'));
  api = await ScriptedApi.start();
});
afterAll(async () => {
  api.stop();
  await rm(home, { recursive: true });
});

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...args: string[]): Promise<Result> {
  const env = { PATH: process.env['PATH'], BONGSU_AUDIT_URL: api.url, BONGSU_API_KEY: 'k'.repeat(40) };
  return new Promise((resolve) => {
    execFile(process.execPath, [BIN, 'audit', ...args], { cwd: home, env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
  });
}

describe('audit key', () => {
  const keys = ['bongsu+11111111+AQ', 'bongsu+22222222+AQ'];

  it('shows the keys, one a line, and nothing else on stdout', async () => {
    api.answers = (url) => ({ status: url === '/v1/audit/keys' ? 200 : 404, answer: { keys } });
    const { code, stdout, stderr } = await run('key');
    expect([code, stdout, stderr]).toEqual([0, `${keys.join('\n')}\n`, expect.stringContaining('The first key signs')]);
    expect(JSON.parse((await run('key', '--json')).stdout)).toEqual({ keys });
  });

  it('is 1 when nothing is signed', async () => {
    api.answers = () => ({ status: 200, answer: { keys: [] } });
    const { code, stderr } = await run('key');
    expect([code, stderr]).toEqual([1, expect.stringContaining('AUDIT_SIGNING_KEY')]);
  });

  it.each([[{}], [{ keys: 'x' }], [{ keys: [1] }]])('does not take %j for keys', async (answer) => {
    api.answers = () => ({ status: 200, answer });
    const { code, stdout } = await run('key');
    expect([code === 0, stdout]).toEqual([false, '']);
  });
});

describe('audit receipt', () => {
  const receipt = { format: 'bongsu-audit-receipt-v1', notificationId: ID, keys: [], checkpoints: [], entries: [{}] };

  it('is shown as it came, or written to a file that nobody else can read', async () => {
    api.answers = (url) => ({ status: url === `/v1/audit/receipts/${ID}` ? 200 : 404, answer: receipt });
    const shown = await run('receipt', ID.toUpperCase());
    expect([shown.code, JSON.parse(shown.stdout)]).toEqual([0, receipt]);
    const file = join(home, 'receipt.json');
    await writeFile(file, 'an older one', { mode: 0o644 });
    const written = await run('receipt', ID, '--out', file);
    expect([written.code, written.stdout]).toEqual([0, `${file}: 1 records\n`]);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(receipt);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it.each([
    [{}],
    [{ ...receipt, format: 'x' }],
    [{ ...receipt, notificationId: 'other' }],
    [{ ...receipt, entries: [] }],
  ])('does not take %j for one', async (answer) => {
    api.answers = () => ({ status: 200, answer });
    const { code, stdout } = await run('receipt', ID, '--out', join(home, 'none.json'));
    expect([code === 0, stdout]).toEqual([false, '']);
    expect((await readdir(home)).filter((name) => name.startsWith('none.json'))).toEqual([]);
  });

  it('is 1 when it is not signed yet, or the file cannot be written, of which nothing is left', async () => {
    api.answers = () => ({ status: 409, answer: { code: 'not_yet_signed', detail: 'not under a checkpoint yet' } });
    const early = await run('receipt', ID);
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('not_yet_signed')]);
    api.answers = () => ({ status: 200, answer: receipt });
    const folder = join(home, 'a-folder');
    await mkdir(folder);
    const { code, stderr } = await run('receipt', ID, '--out', folder);
    expect([code, stderr]).toEqual([1, expect.stringContaining('cannot be written')]);
    expect((await readdir(home)).filter((name) => name.startsWith('a-folder'))).toEqual(['a-folder']);
  });
});
