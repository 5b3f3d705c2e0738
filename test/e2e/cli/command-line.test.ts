import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accepted, ID, notification, ScriptedApi } from './scripted-api.js';

const BIN = join(import.meta.dirname, '..', '..', '..', 'apps', 'cli', 'bin', 'bongsu.js');
const KEY = 'key-0123456789-0123456789-0123456789';

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: string[], env: Record<string, string> = {}, input = '', bin = BIN): Promise<Result> {
  const child = spawn(process.execPath, [bin, ...args], { env: { PATH: process.env['PATH'], ...env }, cwd: home });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

let api: ScriptedApi;
let home: string;
let env: Record<string, string>;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'bongsu-cli-'));
  api = await ScriptedApi.start();
  env = { BONGSU_API_URL: api.url, BONGSU_AUDIT_URL: api.url, BONGSU_API_KEY: KEY };
});
afterAll(async () => {
  api.stop();
  await rm(home, { recursive: true });
});

describe('the command line', () => {
  it.each([
    [[], 'A command is needed'],
    [['sned'], "Unknown command 'sned'"],
    [['constructor'], "Unknown command 'constructor'"],
    [['send', '--recipient', 'a', '--body', 'b', '--chanel', 'log'], "Unknown option '--chanel'"],
    [['send', '--recipient'], 'argument missing'],
    [['send', '--body', 'b'], '--recipient is needed'],
    [['send', '--file', '-', '--subject', 'x'], '--subject cannot stand beside it'],
    [['send', '--file', 'nowhere.json'], 'cannot be read'],
    [['status'], 'ID'],
    [['status', 'not-an-id'], 'is not the id of a notification'],
    [['status', ID, 'more'], "Unexpected argument 'more'"],
    [['topics', 'apply', '--wait', '-1'], 'ambiguous'],
    [['audit', 'verify', '--database', 'http://x'], '--database must be a URL'],
    [['audit', 'receipt', '../keys'], 'is not the id of a notification'],
    [['audit', 'receipt', ID, '--out', ''], '--out needs the name of a file'],
  ])('answers %j with what is wrong, the help, and 2', async (args, message) => {
    const { code, stdout, stderr } = await run(args, env);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(stderr).toContain('USAGE bongsu');
  });

  it('names every variable that is wrong, and says 2', async () => {
    const { code, stderr } = await run(['status', ID], { BONGSU_API_URL: 'ftp://x', BONGSU_API_KEY: 'short' });
    expect(code).toBe(2);
    expect(stderr).toMatch(/BONGSU_API_URL[^]*BONGSU_API_KEY/);
    expect(stderr).not.toContain('short');
  });

  it.each([['--help'], ['-h'], ['send', '--help'], ['topics', 'apply', '--help']])('helps: %j', async (...args) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('USAGE');
    expect(stdout).not.toContain('\u001B');
  });

  it('says so when it is not built, and can be run as it is', async () => {
    await mkdir(join(home, 'cli', 'bin'), { recursive: true });
    await writeFile(join(home, 'cli', 'package.json'), '{"type":"module"}');
    await cp(BIN, join(home, 'cli', 'bin', 'bongsu.js'));
    const { code, stderr } = await run([], {}, '', join(home, 'cli', 'bin', 'bongsu.js'));
    expect([code, stderr]).toEqual([3, expect.stringContaining('not built')]);
    expect((await stat(BIN)).mode & 0o111).not.toBe(0);
  });
});

describe('send', () => {
  it('makes a body of its options', async () => {
    api.answers = () => accepted;
    const args = [
      '--recipient',
      '봉수',
      '--email',
      'a@example.org',
      '--subject',
      'S',
      '--body=B',
      '--html',
      '<p>',
      '--priority',
      'urgent',
    ];
    const more = [
      '--channel',
      'email',
      '--channel',
      'log',
      '--ordering-key',
      'o',
      '--send-at',
      '2026-12-01T09:00:00+09:00',
    ];
    const { code, stdout, stderr } = await run(['send', ...args, ...more, '--idempotency-key', 'k-1'], env);
    expect([code, stdout]).toEqual([0, `${ID}\n`]);
    expect(stderr).toContain('--follow');
    const { method, url, headers, body } = api.seen.at(-1)!;
    expect([method, url, headers['authorization'], headers['idempotency-key']]).toEqual([
      'POST',
      '/v1/notifications',
      `Bearer ${KEY}`,
      'k-1',
    ]);
    expect(JSON.parse(body)).toEqual({
      recipient: { id: '봉수', email: 'a@example.org' },
      channels: ['email', 'log'],
      content: { subject: 'S', body: 'B', html: '<p>' },
      priority: 'urgent',
      orderingKey: 'o',
      sendAt: '2026-12-01T09:00:00+09:00',
    });
  });

  it('sends to every address that is given, else to the log', async () => {
    api.answers = () => accepted;
    const channelsOf = async (...args: string[]): Promise<unknown> => {
      await run(['send', '--recipient', 'a', '--body', 'b', ...args], env);
      return (JSON.parse(api.seen.at(-1)!.body) as { channels: unknown }).channels;
    };
    expect(await channelsOf()).toEqual(['log']);
    expect(await channelsOf('--email', 'a@b', '--webhook-url', 'https://x')).toEqual(['email', 'webhook']);
  });

  it('passes a body on as it is', async () => {
    api.answers = () => ({ ...accepted, headers: { 'idempotency-replayed': 'true' } });
    const body = '{"recipient": {"id": "a"} }';
    const { code, stdout } = await run(['send', '--file', '-', '--json'], env, body);
    expect([code, JSON.parse(stdout)]).toEqual([0, { ...accepted.answer, replayed: true }]);
    expect(api.seen.at(-1)!.body).toBe(body);
  });

  it.each([
    [422, 1],
    [401, 3],
    [503, 3],
  ])('ends with the problem when it is answered %i', async (status, exit) => {
    const errors = [{ pointer: '/channels/0', detail: 'must be one of email, webhook, log' }];
    api.answers = () => ({
      status,
      answer: { code: 'some_code', detail: 'so it\u001B[2J is', errors, requestId: 'r-1' },
    });
    const { code, stdout, stderr } = await run(['send', '--recipient', 'a', '--body', 'b', '--json'], env);
    expect([code, stdout]).toEqual([exit, '']);
    expect(stderr).toContain(`${status} some_code`);
    expect(stderr).toContain('/channels/0');
    expect(stderr).toContain('r-1');
    expect(stderr).not.toContain('\u001B'); // an answer must not get at the terminal
    expect(stderr).not.toContain(KEY);
  });

  it('says 3 when nobody answers, and when somebody else does', async () => {
    const nobody = await run(['send', '--recipient', 'a', '--body', 'b'], {
      ...env,
      BONGSU_API_URL: 'http://127.0.0.1:1',
    });
    expect([nobody.code, nobody.stderr]).toEqual([3, expect.stringContaining('cannot be reached')]);
    api.answers = () => ({ status: 302, answer: {}, headers: { location: 'http://example.invalid/' } });
    expect((await run(['status', ID], env)).code).toBe(3);
  });
});

describe('the key', () => {
  it('is the one of the local stack, for this machine alone', async () => {
    api.answers = () => ({ status: 200, answer: notification('delivered') });
    await writeFile(join(home, 'api-key'), `${KEY}\n`);
    await run(['status', ID], { BONGSU_API_URL: api.url, BONGSU_HOME: home });
    expect(api.seen.at(-1)!.headers['authorization']).toBe(`Bearer ${KEY}`);
    const elsewhere = await run(['status', ID], { BONGSU_API_URL: 'http://bongsu.invalid', BONGSU_HOME: home });
    expect(elsewhere.code).toBe(3);
    await run(['status', ID], { BONGSU_API_URL: api.url, BONGSU_HOME: join(home, 'nowhere') });
    expect(api.seen.at(-1)!.headers['authorization']).toBeUndefined();
  });
});

describe('status', () => {
  it.each([
    ['delivered', 0],
    ['in_progress', 0],
    ['failed', 1],
  ])('%s is %i', async (status, exit) => {
    api.answers = () => ({ status: 200, answer: notification(status) });
    const { code, stdout } = await run(['status', ID], env);
    expect([code, stdout.includes(status)]).toEqual([exit, true]);
  });

  it('says 1 when there is none', async () => {
    api.answers = () => ({ status: 404, answer: { code: 'not_found', detail: 'There is nothing here' } });
    expect((await run(['status', ID], env)).code).toBe(1);
  });

  it('follows: every event once, over pages and an outage, until the end', async () => {
    const event = (n: number) => ({ id: `e${n}`, at: `2026-11-21T00:00:0${n}Z`, type: `event.${n}`, channel: 'log' });
    let polls = 0;
    api.answers = (url) => {
      if (!url.includes('timeline')) {
        polls++;
        if (polls === 2) return { status: 503, answer: { code: 'read_model_behind' } };
        return { status: 200, answer: notification(polls < 4 ? 'in_progress' : 'failed') };
      }
      // The second event is learnt of after the third.
      if (polls < 3) return { status: 200, answer: { data: [event(0), event(2)], nextCursor: null } };
      if (!url.includes('cursor=next'))
        return { status: 200, answer: { data: [event(0), event(1)], nextCursor: 'next' } };
      return { status: 200, answer: { data: [event(2), ...(polls < 4 ? [] : [event(3)])], nextCursor: null } };
    };
    const { code, stdout } = await run(['status', ID, '--follow', '--json'], env);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect([code, lines.map(({ type }) => type)]).toEqual([1, ['event.0', 'event.2', 'event.1', 'event.3']]);
  });

  it('gives up following when it is told how long', async () => {
    api.answers = (url) => ({
      status: 200,
      answer: url.includes('timeline') ? { data: [] } : notification('in_progress'),
    });
    const { code, stderr } = await run(['status', ID, '--follow', '--timeout', '300ms'], env);
    expect([code, stderr]).toEqual([1, expect.stringContaining('has not ended within 300 ms')]);
  });

  it('ends quietly when its reader goes away', async () => {
    let polls = 0;
    const event = (_: unknown, i: number) => ({
      id: String(i),
      at: '2026-11-21',
      type: 'event',
      status: 'x'.repeat(1000),
    });
    api.answers = (url) => {
      if (!url.includes('timeline')) return { status: 200, answer: notification('in_progress') };
      return { status: 200, answer: { data: Array.from({ length: ++polls * 20 }, event) } };
    };
    const child = spawn(process.execPath, [BIN, 'status', ID, '--follow'], {
      env: { PATH: process.env['PATH'], ...env },
    });
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [code] = (await once(child, 'close')) as [number];
    expect([code, stderr]).toEqual([141, '']);
  });
});

describe('audit verify', () => {
  const report = { ok: true, records: 7, chains: 2, checkpoints: 3, problems: [], problemCount: 0, notices: [] };
  const problem = { chain: 'notification.events.v1/3', sequence: 5, what: 'the hash does not match' };

  it('is 0 only when all is well', async () => {
    api.answers = () => ({ status: 200, answer: report });
    const well = await run(['audit', 'verify'], env);
    expect([well.code, well.stdout]).toEqual([0, 'All is well: 7 records in 2 chains, 3 checkpoints\n']);
    api.answers = () => ({ status: 200, answer: { ...report, ok: false, problems: [problem], problemCount: 1 } });
    const bad = await run(['audit', 'verify'], env);
    expect(bad.code).toBe(1);
    expect(bad.stdout).toContain('notification.events.v1/3 #5: the hash does not match');
  });

  it.each([[{}], [{ ok: true }], [{ ok: 'true', problems: [] }], [{ ...report, problems: [problem] }]])(
    'does not take %j for a clean bill',
    async (answer) => {
      api.answers = () => ({ status: 200, answer });
      expect((await run(['audit', 'verify', '--json'], env)).code).not.toBe(0);
    },
  );

  it('is 3 when the service or the database cannot be reached', async () => {
    expect((await run(['audit', 'verify'], { ...env, BONGSU_AUDIT_URL: 'http://127.0.0.1:1' })).code).toBe(3);
    const database = await run(['audit', 'verify', '--database', 'postgres://u:secret@127.0.0.1:1/x'], env);
    expect(database.code).toBe(3);
    expect(database.stderr).not.toContain('secret');
  });
});
