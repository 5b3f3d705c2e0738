import { registry } from '@bongsu/observability';
import { Counter } from 'prom-client';

/** `result`: exported, failed (the collector was away, slow, or refused them), dropped (too many waited). */
export const tracingSpans = new Counter({
  name: 'tracing_spans_total',
  help: 'Spans that ended and were to be exported, by what became of them',
  labelNames: ['result'] as const,
  registers: [registry],
});
