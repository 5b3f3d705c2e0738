import { AUDIT_READ, encodeEvent, newEventId, TOPICS, type AuditRead, type OutgoingRecord } from '@bongsu/contracts';
import { askedOf, type Asked } from '@bongsu/http';
import { KafkaProducer } from '@bongsu/kafka';
import {
  Injectable,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { from, switchMap, type Observable } from 'rxjs';

/**
 * Whoever is shown records is recorded first: the answer is given once Kafka has the record of its being asked for, and is
 * 503 when Kafka does not take it. So there is no reading that left no trace.
 */
@Injectable()
export class RecordRead implements NestInterceptor {
  readonly #producer: KafkaProducer;

  constructor(producer: KafkaProducer) {
    this.#producer = producer;
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return from(this.#producer.send(recordOf(askedOf(context)))).pipe(switchMap(() => next.handle()));
  }
}

/** For every handler that shows what is in records: its being called is itself on record. */
export const AuditedRead = () => UseInterceptors(RecordRead);

function recordOf({ caller, ...asked }: Asked): OutgoingRecord {
  const at = new Date().toISOString();
  const data: AuditRead = { service: 'audit', ...asked, tenant: caller.tenant, apiKeyId: caller.keyId, at };
  return encodeEvent(TOPICS.accessLog, data.tenant, {
    id: newEventId(),
    source: '/bongsu/audit',
    type: AUDIT_READ,
    subject: data.apiKeyId,
    time: at,
    data,
  });
}
