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
