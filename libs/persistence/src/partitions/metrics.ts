import { registry } from '@bongsu/observability';
import { Counter, Gauge } from 'prom-client';

const common = { labelNames: ['table'], registers: [registry] };

export const partitionsTotal = new Gauge({
  ...common,
  name: 'database_partitions',
  help: 'Partitions of a table, its default one left out',
});

export const partitionsOverdue = new Gauge({
  ...common,
  name: 'database_partitions_overdue',
  help: 'Partitions older than their retention that are still there: something in them has not ended, or is locked',
});

export const partitionsDropped = new Counter({
  ...common,
  name: 'database_partitions_dropped_total',
  help: 'Partitions that were dropped because they were older than their retention',
});
