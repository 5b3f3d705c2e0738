import { CHANNELS, ENDED_DELIVERY_STATUSES } from '@bongsu/contracts';
import { DURATION_BUCKETS_SECONDS, registry } from '@bongsu/observability';
import { Counter, Gauge, Histogram } from 'prom-client';

const registers = [registry];

export const deliveriesTotal = new Counter({
  name: 'notification_deliveries_total',
  help: 'Deliveries that ended, by their final state',
  labelNames: ['channel', 'result'],
  registers,
});
// `increase` does not see how a series begins: the first hundred that die at once would raise no alert.
for (const channel of CHANNELS) {
  for (const result of ENDED_DELIVERY_STATUSES) deliveriesTotal.inc({ channel, result }, 0);
}

export const attemptDuration = new Histogram({
  name: 'notification_delivery_attempt_duration_seconds',
  help: 'How long calls of providers took',
  labelNames: ['channel', 'provider'],
  buckets: DURATION_BUCKETS_SECONDS,
  registers,
});

export const endToEnd = new Histogram({
  name: 'notification_end_to_end_seconds',
  help: 'From the acceptance of a notification to its delivery',
  labelNames: ['channel', 'priority'],
  buckets: [...DURATION_BUCKETS_SECONDS, 300, 1800, 7200, 43_200],
  registers,
});

export const inFlight = new Gauge({
  name: 'notification_in_flight',
  help: 'Calls of providers that are under way',
  labelNames: ['channel'],
  registers,
});

export const dueBacklog = new Gauge({
  name: 'notification_due_backlog',
  help: 'Deliveries that are due and wait in the ledger to be claimed',
  registers,
});

export const outboxPendingGauge = new Gauge({
  name: 'outbox_pending',
  help: 'Facts that are committed and not yet in Kafka',
  registers,
});

export const circuitState = new Gauge({
  name: 'circuit_state',
  help: '0 closed, 1 half open, 2 open; of a provider with many destinations, the worst',
  labelNames: ['channel', 'provider'],
  registers,
});
