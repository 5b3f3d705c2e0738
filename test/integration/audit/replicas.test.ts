import { newNotificationId, TOPICS } from '@bongsu/contracts';
import { KafkaBatchStrategy } from '@bongsu/kafka';
import { waitUntil } from '@bongsu/testing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuditBench, get, request } from './bench.js';

const TOPIC = TOPICS.requests.normal.name;
let bench: AuditBench;
beforeAll(async () => {
  bench = await AuditBench.start();
});
afterAll(() => bench.end());

it('keeps every record exactly once, in order, while replicas come and go', async () => {
  const ids: string[] = [];
  const enough = new AbortController();
  const sender = (async () => {
    while (!enough.signal.aborted) {
      const batch = Array.from({ length: 50 }, (_, i) => request(newNotificationId(), 'acme', `user-${i}`));
      await bench.producer.sendAll(batch);
      ids.push(...batch.map(({ headers }) => headers['ce_id']!));
    }
  })();
  const countOf = async (): Promise<number> => {
    const rows = await bench.database.database.query<{ count: string }>('SELECT count(*) FROM records');
    return Number(rows[0]?.count);
  };
  const grows = async (): Promise<void> => {
    const before = await countOf();
    await waitUntil('recording goes on', async () => (await countOf()) > before + 200, { timeoutMs: 30_000 });
  };

  const joined = (app: NestFastifyApplication): Promise<unknown> =>
    waitUntil('the replica has joined', () => app.get(KafkaBatchStrategy).isHealthy(), { timeoutMs: 30_000 });

  const first = await bench.replica();
  await grows();
  const second = await bench.replica();
  await joined(second.app);
  await grows();
  await first.stop();
  await grows();
  const third = await bench.replica();
  await joined(third.app);
  await grows();
  enough.abort();
  await sender;

  await waitUntil('all are recorded', async () => (await countOf()) >= ids.length, { timeoutMs: 30_000 });
  const rows = await bench.database.database.query<{ event_id: string; offset: string; sequence: string }>(
    'SELECT event_id, "offset", sequence FROM records WHERE topic = $1 ORDER BY partition, sequence',
    [TOPIC],
  );
  expect(rows.map(({ event_id }) => event_id).toSorted()).toEqual(ids.toSorted());
  // Our producer leaves no gaps, so every offset is there once.
  expect(rows.every(({ offset, sequence }) => Number(offset) + 1 === Number(sequence))).toBe(true);
  for (const { url } of [second, third]) {
    expect((await get(url, '/v1/audit/verify')).body).toMatchObject({ ok: true, records: ids.length, notices: [] });
  }
}, 120_000);
