import { registry } from '@bongsu/observability';
import { Counter, Gauge } from 'prom-client';

export const headSequence = new Gauge({
  name: 'audit_chain_head_sequence',
  help: 'Records in a chain',
  labelNames: ['topic', 'partition'] as const,
  registers: [registry],
});

export const recordsTotal = new Counter({
  name: 'audit_records_total',
  help: 'Records that Kafka delivered, appended to their chain or in it already',
  labelNames: ['topic', 'result'] as const,
  registers: [registry],
});

export const breaksTotal = new Counter({
  name: 'audit_source_breaks_total',
  help: 'Places where Kafka no longer had what came next (gap) or began again (reset)',
  labelNames: ['topic', 'kind'] as const,
  registers: [registry],
});
