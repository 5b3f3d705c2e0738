import { AUDIT_READ, encodeEvent, newEventId, TOPICS, type AuditRead } from '@bongsu/contracts';
import { KafkaProducer } from '@bongsu/kafka';
import {
  Injectable,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
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
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    return from(this.#producer.send(recordOf(request))).pipe(switchMap(() => next.handle()));
  }
}

/** For every handler that shows what is in records: its being called is itself on record. */
export const AuditedRead = () => UseInterceptors(RecordRead);

function recordOf(request: FastifyRequest): ReturnType<typeof encodeEvent> {
  const { caller, method, routeOptions, id: requestId } = request;
  // The guard comes before: nobody gets here without a key.
  const data: AuditRead = {
    service: 'audit',
    method,
    route: routeOptions.url ?? '',
    tenant: caller?.tenant ?? '',
    apiKeyId: caller?.keyId ?? '',
    parameters: parametersOf(request),
    requestId,
    at: new Date().toISOString(),
  };
  return encodeEvent(TOPICS.accessLog, data.tenant, {
    id: newEventId(),
    source: '/bongsu/audit',
    type: AUDIT_READ,
    subject: data.apiKeyId,
    time: data.at,
    data,
  });
}

/** A parameter that is given twice is refused by the handler; here it is on record as it came. */
function parametersOf({ query, params }: FastifyRequest): Record<string, string> {
  const given = { ...(query as Record<string, unknown>), ...(params as Record<string, unknown>) };
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value).slice(0, 1_000)]));
}
