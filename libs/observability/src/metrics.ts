import { collectDefaultMetrics, Registry } from 'prom-client';

/** Every metric of the process. Use prom-client's constructors with `registers: [registry]`. */
export const registry = new Registry();
collectDefaultMetrics({ register: registry });

/**
 * Buckets of every duration histogram, seconds. One list, so that panels can be laid over each other: fine below 100 ms,
 * where the accept path lives, up to the 60 s that a slow provider may take.
 */
export const DURATION_BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
