import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceName } from '@bongsu/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebhookReceiver } from './receivers.js';
import { API_KEY, System } from './system.js';

/** Deliveries that may be in flight at a kill: as many calls may be repeated by it. */
const CONCURRENCY = 16;
const LEASE_MS = 2_000;

let system: System;
let webhook: WebhookReceiver;

beforeAll(async () => {
  webhook = await WebhookReceiver.start();
  system = await System.start('kill', ['api', 'notification', 'audit'], {
    LEASE_TIME: `${LEASE_MS}ms`,
    DISPATCH_CONCURRENCY: String(CONCURRENCY),
    CLAIM_INTERVAL: '50ms',
    RETRY_SCHEDULE: '200ms,500ms,1s,2s,4s',
  });
});
afterAll(async () => {
  await system.stop();
  await webhook.stop();
});

/** Posts without pause until told to stop; writes down the ids that were answered 202, and nothing else. */
async function load(accepted: Set<string>, running: { on: boolean }, worker: number): Promise<void> {
  for (let n = 0; running.on; n++) {
    const answer = await fetch(`${system.service('api').url}/v1/notifications`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        recipient: { id: `user-${worker}-${n % 5}`, webhook: { url: `${webhook.url}/x` } },
        channels: ['webhook'],
        content: { body: 'x' },
      }),
      signal: AbortSignal.timeout(15_000),
    }).catch(() => undefined);
    if (answer?.status === 202) accepted.add(((await answer.json()) as { id: string }).id);
    else await sleep(50);
  }
}

/** By number and not by time: how busy the machine is must not decide how much is tested. */
async function acceptedAtLeast(accepted: ReadonlySet<string>, count: number): Promise<void> {
  await expect.poll(() => accepted.size, { timeout: 30_000, interval: 20 }).toBeGreaterThanOrEqual(count);
}

async function rowsOf(sql: string): Promise<Record<string, string>[]> {
  const client = new pg.Client({ connectionString: system.databaseUrl });
  await client.connect();
  try {
    return (await client.query<Record<string, string>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('a hard kill under load', () => {
  it.each<ServiceName>(['api', 'notification', 'audit'])(
    'of %s loses no notification that was answered 202',
    async (victim) => {
      const accepted = new Set<string>();
      const running = { on: true };
      const clients = Array.from({ length: 8 }, (_, n) => load(accepted, running, n));
      await acceptedAtLeast(accepted, 200);
      await system.killAndRestart(victim);
      await acceptedAtLeast(accepted, accepted.size + 200);
      running.on = false;
      await Promise.all(clients);

      const ended = async (): Promise<number> => {
        const rows = await rowsOf('SELECT notification_id FROM notification.deliveries WHERE ended_at IS NOT NULL');
        return rows.filter((row) => accepted.has(row['notification_id']!)).length;
      };
      await expect.poll(ended, { timeout: 30_000, interval: 200 }).toBe(accepted.size);

      const calls = Map.groupBy(
        webhook.calls,
        (call) => (JSON.parse(call.body) as { data: { notificationId: string } }).data.notificationId,
      );
      const received = [...accepted].map((id) => calls.get(id) ?? []);
      expect(received.filter((each) => each.length === 0)).toEqual([]);
      // A call may be repeated only if it was in flight at the kill, and then it carries the same delivery id.
      expect(received.filter((each) => each.length > 1).length).toBeLessThanOrEqual(
        victim === 'notification' ? CONCURRENCY : 0,
      );
      for (const each of received) expect(new Set(each.map((call) => call.headers['webhook-id'])).size).toBe(1);

      const audited = async (): Promise<number> => {
        const rows = await rowsOf("SELECT subject FROM audit.records WHERE topic LIKE '%notification.requests.%'");
        const subjects = new Set(rows.map((row) => row['subject']));
        return [...accepted].filter((id) => subjects.has(id)).length;
      };
      await expect.poll(audited, { timeout: 30_000, interval: 200 }).toBe(accepted.size);
      expect((await system.cli(['audit', 'verify'])).code).toBe(0);
      await expect
        .poll(async () => (await system.notification([...accepted].at(-1)!)).status, { timeout: 15_000 })
        .toBe('delivered');
    },
  );
});
