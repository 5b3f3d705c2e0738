/** BullMQ on Redis: one worker with 500 jobs at a time, jobs added in bulk and removed when done. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { Counting } from '../counting.js';
import { ResultRows } from '../result-rows.js';
import { jobs, serve, slices, type Job } from './job.js';

const connection = { host: '127.0.0.1', port: Number(process.env['REDIS_PORT']), maxRetriesPerRequest: null };
const results = await ResultRows.open(process.env['DATABASE_URL'] ?? '', process.env['SCHEMA'] ?? '');
const counting = new Counting();
const queue = new Queue<Job>('notifications', { connection });
let providerMs = 0;

const worker = new Worker<Job>(
  'notifications',
  async ({ data }) => {
    counting.begin();
    if (providerMs > 0) await sleep(providerMs);
    await results.add(data.id, data.recipient.id);
  },
  { connection, concurrency: 500, removeOnComplete: { count: 0 } },
);
worker.on('completed', () => counting.done());
worker.on('error', (error) => console.error(error));
await worker.waitUntilReady();

serve(
  async (count, ms) => {
    await worker.pause();
    providerMs = ms;
    const made = jobs(count);
    for (const some of slices(made, 2_000))
      await queue.addBulk(some.map((data) => ({ name: 'notification', data, opts: { jobId: data.id } })));
    counting.expect(count);
    return made.map(({ id }) => id);
  },
  () => worker.resume(),
);
