/** graphile-worker, batched: jobs are locked many at a time, and those that end together are completed together. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger, makeWorkerUtils, run, type Runner } from 'graphile-worker';
import { Counting } from '../counting.js';
import { ResultRows } from '../result-rows.js';
import { jobs, serve, slices, type Job } from './job.js';

const url = process.env['DATABASE_URL'] ?? '';
const schema = process.env['SCHEMA'] ?? '';
const logger = new Logger(() => () => undefined);
const results = await ResultRows.open(url, schema);
const counting = new Counting();
const connection = { connectionString: url, schema: `${schema}_queue`, logger };
const utils = await makeWorkerUtils(connection);
await utils.migrate();
let providerMs = 0;
let runner: Runner | undefined;

const start = (): Promise<Runner> =>
  run({
    ...connection,
    noHandleSignals: true,
    preset: {
      worker: {
        concurrentJobs: 500,
        maxPoolSize: 10,
        pollInterval: 100,
        localQueue: { size: 1_000 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
    taskList: {
      notification: async (payload) => {
        counting.begin();
        const { id, recipient } = payload as Job;
        if (providerMs > 0) await sleep(providerMs);
        await results.add(id, recipient.id);
        counting.done();
      },
    },
  });

serve(
  async (count, ms) => {
    // It cannot be paused: it is started for each round.
    await runner?.stop();
    providerMs = ms;
    const made = jobs(count);
    for (const some of slices(made, 5_000))
      await utils.addJobs(some.map((payload) => ({ identifier: 'notification', payload })));
    counting.expect(count);
    return made.map(({ id }) => id);
  },
  async () => {
    runner = await start();
  },
);
