import type { DataSource } from 'typeorm';
import { expect, onTestFinished } from 'vitest';
import { done } from '../../../apps/notification/src/channels/provider.js';
import { DisabledEndpoints } from '../../../apps/notification/src/endpoints/disabled-endpoints.js';
import { Engine, type EngineOptions } from '../../../apps/notification/src/engine.js';
import { Worker } from '../../../apps/notification/src/ledger/workers.js';
import { logger, toNowhere } from './database.js';

/** An engine with one provider, which calls back; it is stopped when the test has finished. */
export async function startEngine(
  dataSource: DataSource,
  options: Pick<EngineOptions, 'capacity' | 'pollMs'>,
  onCall: (notificationId: string) => Promise<void> | void,
): Promise<Engine> {
  const worker = await Worker.register(dataSource, 60_000, logger);
  const provider = {
    name: 'p',
    channel: 'log' as const,
    deliver: async ({ notificationId }: { notificationId: string }) => {
      await onCall(notificationId);
      return done;
    },
  };
  const engine = new Engine({
    dataSource,
    worker,
    providers: { of: () => [provider], close: () => Promise.resolve() },
    endpoints: new DisabledEndpoints({ dataSource, stream: worker.stream, logger }),
    producer: toNowhere,
    logger,
    concurrency: 100,
    providerTimeoutMs: 60_000,
    retrySchedule: [],
    retrySchedules: new Map(),
    providerLimits: new Map(),
    leaseMs: 60_000,
    readAhead: 100_000,
    onLeaseLost: () => expect.unreachable('nobody takes this worker for dead'),
    ...options,
  });
  engine.start();
  onTestFinished(() => engine.stop(5_000));
  return engine;
}
