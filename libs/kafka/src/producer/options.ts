import type { Logger } from '@bongsu/observability';
import type { KafkaSettings } from '../cluster/connection.js';
import type { ProducerSettings } from './client.js';

export interface KafkaProducerOptions {
  readonly settings: KafkaSettings & ProducerSettings;
  readonly clientId: string;
  readonly logger: Logger;
  /** How long a caller waits for Kafka before it is told `kafka_unavailable`, milliseconds. Default 5000. */
  readonly deliveryTimeoutMs?: number;
  /** How long `close` waits for what is still to be sent, milliseconds. Default 5000. */
  readonly closeTimeoutMs?: number;
  /** How old what is known of a topic's partitions may be, milliseconds. Default 30,000. */
  readonly topicsMaxAgeMs?: number;
}

/** Milliseconds. Partitions that are added are noticed within `topicsMaxAgeMs`. */
export const DEFAULTS = { deliveryTimeoutMs: 5_000, topicsMaxAgeMs: 30_000, closeTimeoutMs: 5_000 } as const;

export const LIMITS = {
  /** Most records of one send: more was not faster, and a send that has to be repeated should be small. */
  batchRecords: 500,
  /** Most bytes of a list that is handed in at once: it fills some requests already. */
  listBytes: 4 * 1024 * 1024,
  /** A send that takes this long while Kafka answers other questions is begun anew, milliseconds. */
  stuckAfterMs: 30_000,
  /** How often waiting records are looked at for their time-out, milliseconds. */
  sweepEveryMs: 100,
  /** How long a send may be overdue before it is looked at, milliseconds. */
  lookEveryMs: 1_000,
} as const;
