import { registry } from '@bongsu/observability';
import { Gauge } from 'prom-client';

/*
 * Names, labels and meanings of kafka_exporter (github.com/danielqsj/kafka_exporter), so that dashboards and alerts that
 * are written for it fit. Topics and groups are named as Kafka knows them, with the prefix.
 */
const registers = [registry];
const partition = ['consumergroup', 'topic', 'partition'] as const;

export const groupLag = new Gauge({
  name: 'kafka_consumergroup_lag',
  help: 'Records that a group has not read yet',
  labelNames: partition,
  registers,
});

export const groupOffset = new Gauge({
  name: 'kafka_consumergroup_current_offset',
  help: 'The offset that a group has committed: the next one that it reads',
  labelNames: partition,
  registers,
});

export const groupMembers = new Gauge({
  name: 'kafka_consumergroup_members',
  help: 'Members of a group; 0 for one whose consumers are all gone',
  labelNames: ['consumergroup'] as const,
  registers,
});

export const topicOffset = new Gauge({
  name: 'kafka_topic_partition_current_offset',
  help: 'The offset after the last record of a partition',
  labelNames: ['topic', 'partition'] as const,
  registers,
});

export const brokersUp = new Gauge({ name: 'kafka_brokers', help: 'Brokers that are up', registers });

export const groupLagSeconds = new Gauge({
  name: 'kafka_consumergroup_lag_seconds',
  help: 'Age of the oldest record that a group has not read yet, seconds; 0 for one written since the last look',
  labelNames: partition,
  registers,
});

export const groupsReadAt = new Gauge({
  name: 'kafka_consumergroup_read_timestamp_seconds',
  help: 'When the figures about groups were last read from Kafka',
  registers,
});

// Without labels they would be there as 0 from the beginning, in every process that loads this library.
brokersUp.remove();
groupsReadAt.remove();
