import { registry } from '@bongsu/observability';
import { Counter, Gauge } from 'prom-client';

export const checkpointsTotal = new Counter({
  name: 'audit_checkpoints_total',
  help: 'Checkpoints that were signed',
  labelNames: ['topic'] as const,
  registers: [registry],
});

/** Since when (milliseconds since 1970) a chain has had records that no checkpoint signs, by chain. */
export const unsignedSince = new Map<string, number>();

registry.registerMetric(
  new Gauge({
    name: 'audit_checkpoint_age_seconds',
    help: 'How long the record has waited that has waited longest to be signed; 0 when all are',
    registers: [],
    // Computed when asked: a checkpointer that hangs must not leave a small figure standing.
    collect() {
      this.set(Math.max(0, ...[...unsignedSince.values()].map((since) => (Date.now() - since) / 1000)));
    },
  }),
);
