import { BongsuError, type NotificationStatus, type TraceContext } from '@bongsu/contracts';
import type { CallerIdentity } from '@bongsu/http';
import type { KafkaProducer } from '@bongsu/kafka';
import type { StatusReader } from '../status/status-reader.js';
import { cancelRecord, keyOf } from './events.js';

const UNDER_WAY: ReadonlySet<string> = new Set<NotificationStatus>(['accepted', 'scheduled', 'in_progress']);

/** Asks for a notification to be cancelled. What has become of that shows in its status: it may be too late. */
export class Cancellation {
  private readonly status: StatusReader;
  private readonly producer: Pick<KafkaProducer, 'send'>;

  constructor(status: StatusReader, producer: Pick<KafkaProducer, 'send'>) {
    this.status = status;
    this.producer = producer;
  }

  /** Throws not_found, already_ended, kafka_unavailable, database_unavailable. */
  async cancel(
    id: string,
    caller: CallerIdentity,
    trace?: TraceContext,
  ): Promise<{ id: string; status: string; cancelRequestedAt: string }> {
    const found = await this.status.find(id, caller.tenant);
    const { key, status } = 'recent' in found ? { key: keyOf(found.recent.request), status: 'accepted' } : found.row;
    if (!UNDER_WAY.has(status)) throw new BongsuError('already_ended', `The notification is ${status}`);
    const requestedAt = new Date().toISOString();
    await this.producer.send(
      cancelRecord(key, { notificationId: id, tenant: caller.tenant, requestedAt, apiKeyId: caller.keyId }, trace),
    );
    return { id, status, cancelRequestedAt: requestedAt };
  }
}
