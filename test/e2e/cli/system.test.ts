import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, System } from '../pipeline/system.js';

let system: System;
let database: Client;
beforeAll(async () => {
  system = await System.start('cli', ['api', 'notification', 'audit']);
  database = new Client({ connectionString: system.databaseUrl, options: '-c search_path=audit' });
  await database.connect();
});
afterAll(async () => {
  await database.end();
  await system.stop();
});

const json = async (...args: string[]): Promise<{ code: number; value: unknown }> => {
  const { code, stdout } = await system.cli([...args, '--json']);
  return { code, value: JSON.parse(stdout) as unknown };
};

describe('topics', () => {
  it('are as declared once they were applied; applying again changes nothing', async () => {
    const unchanged = expect.arrayContaining([`${system.prefix}notification.events.v1`]) as string[];
    expect(await json('topics', 'plan')).toMatchObject({ code: 0, value: { changes: [], unchanged } });
    expect(await json('topics', 'apply', '--yes')).toMatchObject({ code: 0, value: { applied: [] } });
    const { value } = await json('topics', 'describe');
    expect(value).toContainEqual(expect.objectContaining({ name: `${system.prefix}access.keys.v1`, partitions: 8 }));
    expect((await system.cli(['topics', 'describe'])).stdout).toMatch(/access\.keys\.v1 +8 +1 +compacted +ok/);
  });
});

describe('a notification', () => {
  it('is sent, followed to its end, and looked up', async () => {
    const sent = await system.cli(['send', '--recipient', '봉수', '--channel', 'log', '--body', 'The beacon is lit.']);
    expect(sent.code).toBe(0);
    const id = sent.stdout.trim();
    const followed = await system.cli(['status', id, '--follow', '--timeout', '20s', '--json']);
    expect(followed.code).toBe(0);
    const events = followed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(events[0]?.type).toBe('bongsu.notification.requested.v1');
    expect(events.at(-1)?.type).toBe('bongsu.delivery.delivered.v1');
    expect(await json('status', id)).toMatchObject({
      code: 0,
      value: { id, status: 'delivered', recipient: { id: '봉수' } },
    });
  });

  it('that fails is 1', async () => {
    const sent = await system.cli(['send', '--recipient', 'x', '--webhook-url', 'http://10.0.0.1/', '--body', 'b']);
    const { code } = await system.cli(['status', sent.stdout.trim(), '--follow', '--timeout', '20s']);
    expect([sent.code, code]).toEqual([0, 1]);
  });

  it('that the API refuses is 1, with the place', async () => {
    const { code, stderr } = await system.cli(['send', '--recipient', 'x', '--body', 'b', '--priority', 'hurry']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('/priority')]);
  });
});

describe('the audit trail', () => {
  const byService = ['audit', 'verify'];
  const byDatabase = (): string[] => ['audit', 'verify', '--database', system.databaseUrl];

  it('verifies, by the service and by the database itself', async () => {
    await expect
      .poll(async () => ((await json(...byService)).value as { records: number }).records, { timeout: 15_000 })
      .toBeGreaterThanOrEqual(4);
    for (const args of [byService, byDatabase()]) {
      expect(await json(...args)).toMatchObject({ code: 0, value: { ok: true, problems: [] } });
    }
  });

  it('that was tampered with is 1, and the place is named; mended, it is 0 again', async () => {
    const { rows } = await database.query<{ topic: string; partition: number; sequence: string }>(
      "SELECT topic, partition, sequence FROM records WHERE type = 'bongsu.delivery.delivered.v1' LIMIT 1",
    );
    const { topic, partition, sequence } = rows[0]!;
    const flip = () =>
      database.query(
        'UPDATE records SET payload = set_byte(payload, 3, get_byte(payload, 3) # 1) WHERE topic = $1 AND partition = $2 AND sequence = $3',
        [topic, partition, sequence],
      );
    await flip();
    for (const args of [byService, byDatabase()]) {
      const { code, stdout } = await system.cli(args);
      expect([code, stdout]).toEqual([1, expect.stringContaining(`${topic}/${partition} #${sequence}:`)]);
    }
    await flip();
    expect((await system.cli(byService)).code).toBe(0);
  });
});

describe('the audit service as a process', () => {
  it('ends with 0 within 10 s of SIGTERM, and goes on where it was', async () => {
    const began = performance.now();
    expect(await system.service('audit').stop('SIGTERM', 10_000)).toBe(0);
    expect(performance.now() - began).toBeLessThan(10_000);
    const id = await system.send({ recipient: { id: 'meanwhile' }, channels: ['log'], content: { body: 'b' } });
    const service = await system.startService('audit');
    await expect
      .poll(
        async () => {
          const answer = await fetch(`${service.url}/v1/audit/records?notification=${id}`, {
            headers: { authorization: `Bearer ${API_KEY}` },
          });
          return ((await answer.json()) as { data: unknown[] }).data.length;
        },
        { timeout: 20_000 },
      )
      .toBe(2);
  });

  it('ends with 0 when it is told to while it still waits for PostgreSQL', async () => {
    await system.service('audit').stop();
    const waiting = await system.startService('audit', { DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c' }, 0);
    await expect
      .poll(async () => (await fetch(`${waiting.managementUrl}/health/ready`).catch(() => undefined))?.status, {
        timeout: 15_000,
      })
      .toBe(503);
    expect(await waiting.stop('SIGTERM', 10_000)).toBe(0);
    await system.startService('audit');
  });

  it('names everything that is wrong with its settings, and does not start', async () => {
    const wrong = await system.startService(
      'audit',
      { DATABASE_POOL: 'many', LOG_LEVEL: 'loud', BOOTSTRAP_API_KEY: 'short' },
      0,
    );
    expect(await wrong.exited).toBe(1);
    for (const name of ['DATABASE_POOL', 'LOG_LEVEL', 'BOOTSTRAP_API_KEY']) expect(wrong.log).toContain(name);
    expect(wrong.log).not.toContain('short"');
    await system.startService('audit');
  });

  it('keeps each record once over a kill in the middle of its work', async () => {
    const sending = (async () => {
      for (let n = 0; n < 15; n++) {
        const one = () => system.send({ recipient: { id: `r-${n}` }, channels: ['log'], content: { body: 'b' } });
        await Promise.all(Array.from({ length: 20 }, one));
      }
    })();
    await system.killAndRestart('audit');
    await sending;
    const counts = async (): Promise<{ records: number; offsets: number; accepted: number }> => {
      const { rows } = await database.query<{ records: number; offsets: number; accepted: number }>(
        `SELECT count(*)::int AS records, count(DISTINCT (topic, partition, "offset"))::int AS offsets,
           count(*) FILTER (WHERE type = 'bongsu.notification.requested.v1' AND recipient LIKE 'r-%')::int AS accepted FROM records`,
      );
      return rows[0]!;
    };
    await expect.poll(async () => (await counts()).accepted, { timeout: 30_000 }).toBe(300);
    const { records, offsets } = await counts();
    expect(offsets).toBe(records);
    expect((await system.cli(['audit', 'verify'])).code).toBe(0);
  });
});
