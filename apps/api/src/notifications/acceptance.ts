import {
  newNotificationId,
  type NotificationRequest,
  type NotificationRequested,
  type TraceContext,
} from '@bongsu/contracts';
import type { CallerIdentity } from '@bongsu/http';
import type { KafkaProducer } from '@bongsu/kafka';
import type { Pace } from '@bongsu/lanes';
import { hashJson } from './canonical-json.js';
import { checkRequest } from './check-request.js';
import { requestedRecord } from './events.js';
import type { Idempotency } from './idempotency.js';
import type { RecentSends } from './recent-sends.js';

export interface Accepted {
  readonly id: string;
  readonly acceptedAt: string;
  /** It had been accepted before, by a request with the same Idempotency-Key. */
  readonly replayed: boolean;
}

export interface AcceptOptions {
  readonly idempotencyKey?: string | undefined;
  /** When it was asked for, milliseconds since 1970; now, when left out. Only for the id of what has an Idempotency-Key. */
  readonly askedAt?: number | undefined;
  /** The trace that the notification is to be part of. */
  readonly trace?: TraceContext | undefined;
  /** The caller began that trace, and not this service. */
  readonly isCallersTrace?: boolean;
}

/**
 * The accept path: check, then one record to Kafka. When it resolves, every in-sync replica has the record; nothing else
 * is written, and without an Idempotency-Key nothing else is waited for.
 */
export class Acceptance {
  private readonly producer: Pick<KafkaProducer, 'send'>;
  private readonly idempotency: Idempotency;
  private readonly recent: RecentSends;
  private readonly pace: Pick<Pace, 'urgent'>;

  constructor(
    producer: Pick<KafkaProducer, 'send'>,
    idempotency: Idempotency,
    recent: RecentSends,
    pace: Pick<Pace, 'urgent'>,
  ) {
    this.producer = producer;
    this.idempotency = idempotency;
    this.recent = recent;
    this.pace = pace;
  }

  /** Throws validation_failed, idempotency_key_reused, kafka_unavailable, producer_buffer_full. */
  async accept(request: NotificationRequest, caller: CallerIdentity, options: AcceptOptions = {}): Promise<Accepted> {
    const checked = checkRequest(request, Date.now());
    const produce = async (id: string, acceptedAt: string): Promise<void> => {
      const data: NotificationRequested = { ...checked, id, tenant: caller.tenant, acceptedAt, apiKeyId: caller.keyId };
      const began = performance.now();
      this.recent.add(data, await this.producer.send(requestedRecord(data, options.trace)));
      if (data.priority === 'urgent') this.pace.urgent(performance.now() - began);
    };
    if (options.idempotencyKey === undefined) {
      const accepted = { id: newNotificationId(), acceptedAt: new Date().toISOString() };
      await produce(accepted.id, accepted.acceptedAt);
      return { ...accepted, replayed: false };
    }
    const { notificationId, acceptedAt, replayed } = await this.idempotency.once(
      caller.tenant,
      options.idempotencyKey,
      hashJson(request),
      (id, at) => produce(id, at.toISOString()),
      options.askedAt,
    );
    return { id: notificationId, acceptedAt: acceptedAt.toISOString(), replayed };
  }
}
