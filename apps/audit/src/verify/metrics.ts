import { registry } from '@bongsu/observability';
import { Counter, Gauge } from 'prom-client';

export const verifyFailures = new Counter({
  name: 'audit_verify_failures_total',
  help: 'Verifications that found a problem',
  registers: [registry],
});

export const verifyRecords = new Gauge({
  name: 'audit_verify_records',
  help: 'Records read by the last verification',
  registers: [registry],
});

export const verifyDuration = new Gauge({
  name: 'audit_verify_duration_seconds',
  help: 'How long the last verification took',
  registers: [registry],
});

export const verifiedRecords = new Counter({
  name: 'audit_verified_records_total',
  help: 'Records that the verification in the background has read',
  registers: [registry],
});

/** When the verification in the background last came to the end of all chains, milliseconds; at first, when it began. */
let completedAt: number | undefined;

export function setLastComplete(now: number): void {
  completedAt = now;
}

registry.registerMetric(
  new Gauge({
    name: 'audit_verify_last_complete_seconds',
    help: 'How long ago the verification in the background last came to the end of all chains, or began for the first time',
    registers: [],
    collect() {
      if (completedAt !== undefined) this.set((Date.now() - completedAt) / 1000);
    },
  }),
);
