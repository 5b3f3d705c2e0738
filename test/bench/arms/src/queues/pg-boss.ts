/** pg-boss: four workers that fetch 500 at a time, without a pause as long as batches come full. */
import { setTimeout as sleep } from 'node:timers/promises';
import { PgBoss } from 'pg-boss';
import { Counting } from '../counting.js';
import { ResultRows } from '../result-rows.js';
import { jobs, serve, slices, type Job } from './job.js';

const QUEUE = 'notifications';
const url = process.env['DATABASE_URL'] ?? '';
const schema = process.env['SCHEMA'] ?? '';
const results = await ResultRows.open(url, schema);
const counting = new Counting();
const boss = new PgBoss({ connectionString: url, schema: `${schema}_queue`, max: 10, schedule: false });
boss.on('error', (error) => console.error(error));
await boss.start();
await boss.createQueue(QUEUE);
let providerMs = 0;

serve(
  async (count, ms) => {
    await boss.offWork(QUEUE);
    providerMs = ms;
    const made = jobs(count);
    for (const some of slices(made, 5_000)) {
      await boss.insert(
        QUEUE,
        some.map((data) => ({ data })),
      );
    }
    counting.expect(count);
    return made.map(({ id }) => id);
  },
  async () => {
    await boss.work<Job>(
      QUEUE,
      { batchSize: 500, localConcurrency: 4, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true },
      async (batch) => {
        counting.begin();
        if (providerMs > 0) await sleep(providerMs);
        await results.addAll(batch.map(({ data }) => ({ id: data.id, recipient: data.recipient.id })));
        counting.done(batch.length);
      },
    );
  },
);
