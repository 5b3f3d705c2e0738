import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitUntil, type ServiceName } from '@bongsu/testing';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  endStack,
  specOf,
  startDisposableStack,
  startPart,
  stopPart,
  type DisposableStack,
} from '../../../tools/stack/disposable.ts';
import { Load } from '../pipeline/load.js';
import { WebhookReceiver } from '../pipeline/receivers.js';
import { API_KEY, System } from '../pipeline/system.js';
import { baseBackup, empty, loseAndRestore } from './base-backup.js';

/** What docs/operations.md says about backups, done as it says. */

const ROOT = join(import.meta.dirname, '..', '..', '..');
const SERVICES: readonly ServiceName[] = ['api', 'notification', 'audit'];
const secret = (letter: string): string => Buffer.alloc(32, letter).toString('base64');

let stack: DisposableStack;
let system: System;
let webhook: WebhookReceiver;
let checkpoints: string;
const loads: Load[] = [];

// Servers of their own: the shared ones must not lose their disks under the other tests.
beforeAll(async () => {
  stack = await startDisposableStack();
  webhook = await WebhookReceiver.start();
  checkpoints = join(stack.home, 'checkpoints');
  system = await System.start(
    'backup',
    SERVICES,
    {
      LEASE_TIME: '2s',
      RETRY_SCHEDULE: '200ms,500ms,1s,2s,4s',
      AUDIT_SALT_KEY: secret('a'),
      AUDIT_SIGNING_KEY: secret('b'),
      AUDIT_CHECKPOINT_EVERY: '1s',
      AUDIT_CHECKPOINT_FILE: checkpoints,
    },
    stack,
  );
}, 180_000);
afterAll(async () => {
  await system?.stop();
  await webhook?.stop();
  if (stack) await endStack(stack.home);
});

/** Ended when the test has failed, too: clients that go on would hide why. */
function startLoad(): Load {
  const load = new Load(system, webhook, 4);
  loads.push(load);
  return load;
}
afterEach(() => Promise.all(loads.splice(0).map((load) => load.stop())));

const stop = (services: readonly ServiceName[]) => Promise.all(services.map((name) => system.service(name).stop()));
const start = (services: readonly ServiceName[]) => Promise.all(services.map((name) => system.startService(name)));

async function query<T extends object>(sql: string): Promise<T[]> {
  const client = new Client({ connectionString: system.databaseUrl });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** The read model has all of these, ended well. */
const delivered = (ids: Iterable<string>) =>
  waitUntil(
    'all delivered in the read model',
    async () => {
      const rows = await query<{ id: string }>("SELECT id FROM api.notifications WHERE status = 'delivered'");
      const known = new Set(rows.map(({ id }) => id));
      return [...ids].every((id) => known.has(id));
    },
    { timeoutMs: 60_000, everyMs: 250 },
  );

const statusWith = async (key: string): Promise<number> =>
  (
    await fetch(`${system.service('api').url}/v1/notifications?limit=1`, {
      headers: { authorization: `Bearer ${key}` },
    })
  ).status;

const makeKey = async (name: string): Promise<{ id: string; key: string }> =>
  (await system.request('post', '/v1/api-keys').send({ name, tenant: 'acme' }).expect(201)).body as {
    id: string;
    key: string;
  };

/** As the guide has it, word for word. */
async function rewind(to: Date): Promise<void> {
  for (const group of ['bongsu.notification', 'bongsu.status']) {
    const args = ['--group', system.prefix + group, '--all-topics', '--reset-offsets', '--to-datetime'];
    await promisify(execFile)(
      process.execPath,
      ['tools/kafka.ts', 'kafka-consumer-groups', ...args, to.toISOString().slice(0, -1), '--execute'],
      { cwd: ROOT, env: { ...process.env, KAFKA_PORT: String(stack.ports.kafka) } },
    );
  }
}

/** By the service, and by what was written down elsewhere. */
async function auditVerifies(): Promise<void> {
  const { stdout: key } = await system.cli(['audit', 'key']);
  const verify = ['audit', 'verify', '--key', key.split('\n')[0] ?? '', '--checkpoints', checkpoints];
  const { code, stdout, stderr } = await system.cli(verify);
  expect([code, stdout + stderr]).toEqual([0, expect.any(String)]);
}

describe('PostgreSQL is lost, and restored from a backup that is older than what Kafka has', () => {
  it(
    'nothing that was accepted is lost, what had ended before is not sent again, and the audit trail is whole',
    { timeout: 300_000 },
    async () => {
      const backup = join(stack.home, 'backup');
      await mkdir(backup);
      const load = startLoad();
      const revoked = await makeKey('to be revoked');
      await load.more(150);
      const endedBefore = await query<{ id: string }>(
        'SELECT notification_id AS id FROM notification.deliveries WHERE ended_at IS NOT NULL',
      );
      const began = new Date();
      // While it works: the load goes on.
      await baseBackup(stack, backup);
      await load.more(150);
      const late = await makeKey('made after the backup');
      await fetch(`${system.service('api').url}/v1/api-keys/${revoked.id}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${API_KEY}` },
      });
      await waitUntil('the key is revoked', async () => (await statusWith(revoked.key)) === 401);
      // Some are accepted and not yet read.
      await system.service('notification').stop();
      await load.more(30);
      await load.audited();
      const callsBefore = webhook.calls.length;
      expect(callsBefore).toBeGreaterThan(250);

      await loseAndRestore(stack, backup, async () => {
        await load.more(10); // 202 needs Kafka alone
        await load.stop();
        await stop(['api', 'audit']);
      });
      await rewind(new Date(began.getTime() - 60_000));
      await start(SERVICES);

      await load.ended();
      await load.audited();
      await delivered(load.accepted);
      const received = new Map([...load.accepted].map((id, n) => [id, load.received()[n] ?? []]));
      for (const [, calls] of received) {
        expect(calls.length).toBeGreaterThan(0);
        // What is sent again carries the same id, so that a receiver can tell.
        expect(new Set(calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
      }
      expect(endedBefore.length).toBeGreaterThan(0);
      for (const { id } of endedBefore) expect(received.get(id)?.length ?? 1).toBe(1);
      const again = [...received.values()].filter((calls) => calls.length > 1).length;
      // The restore was really one of an older state.
      expect(again).toBeGreaterThan(0);
      expect(await query('SELECT id FROM notification.deliveries GROUP BY id HAVING count(*) > 1')).toEqual([]);
      await auditVerifies();

      // What only the database knows is as old as the backup; the guide says so.
      await waitUntil('the keys of the backup', async () => (await statusWith(revoked.key)) === 200);
      expect(await statusWith(late.key)).toBe(401);
      await rm(backup, { recursive: true });
    },
  );
});

describe('Kafka is lost with everything in it, and PostgreSQL is not', () => {
  it(
    'everything that was read is kept; what was accepted and not read is lost, and can be named',
    { timeout: 300_000 },
    async () => {
      const load = startLoad();
      await load.more(100);
      await load.stop();
      await load.ended();
      await load.audited();
      await delivered(load.accepted);
      await stop(['notification', 'audit']);
      const body = {
        recipient: { id: 'unread', webhook: { url: `${webhook.url}/x` } },
        channels: ['webhook'],
        content: { body: 'x' },
      };
      const unread = await Promise.all(
        Array.from({ length: 5 }, (_, n) => system.send(body, { 'Idempotency-Key': `unread-${n}` })),
      );
      await waitUntil(
        'they are in the read model',
        async () =>
          (await query<{ id: string }>("SELECT id FROM api.notifications WHERE status = 'accepted'")).length >= 5,
      );
      await stop(['api']);

      for (const part of ['kafka', 'zookeeper'] as const) await stopPart(stack, part, 'SIGKILL');
      for (const part of ['kafka', 'zookeeper'] as const) await empty(join(specOf(stack, part).cwd, 'data'));
      for (const part of ['zookeeper', 'kafka'] as const) await startPart(stack, part, { mayBeRegistered: false });
      await system.cli(['topics', 'apply', '--yes']);
      await start(SERVICES);

      // It works as before.
      const after = startLoad();
      await after.more(50);
      await after.stop();
      await after.ended();
      await after.audited();
      await delivered(after.accepted);
      for (const calls of [...load.received(), ...after.received()]) expect(calls).toHaveLength(1);
      await delivered(load.accepted);
      // The break in the source is in the trail, which verifies.
      await auditVerifies();

      const lost = await query<{ id: string }>(
        "SELECT id FROM api.notifications WHERE status = 'accepted' ORDER BY id",
      );
      expect(lost.map(({ id }) => id)).toEqual([...unread].toSorted());
      const ledger = await query<{ id: string }>('SELECT id FROM notification.notifications');
      expect(ledger.filter(({ id }) => unread.includes(id))).toEqual([]);
      // With their key they count as accepted already; without it they are new ones.
      const replayed = await system.send(body, { 'Idempotency-Key': 'unread-0' });
      expect(replayed).toBe(unread[0]);
      const again = await system.send(body);
      await delivered([again]);
      expect((await system.notification(replayed)).status).toBe('accepted');
    },
  );
});
