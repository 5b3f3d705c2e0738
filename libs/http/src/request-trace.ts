import { readTraceContext, type TraceContext } from '@bongsu/contracts';
import { tracing, type Span } from '@bongsu/tracing';
import type { FastifyInstance, FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** While tracing is on. */
    span?: Span | null;
    /** The notification that the request is about, once that is known. */
    notificationId?: string | null;
  }
}

/**
 * One server span per request, by OpenTelemetry's conventions for HTTP, below the span that the caller's `traceparent` names.
 * The path only as declared, and neither query nor headers: ids, addresses and keys are the callers' own.
 * While tracing is off there is no hook at all.
 */
export function traceRequests(fastify: FastifyInstance): void {
  fastify.decorateRequest('notificationId', null);
  if (!tracing.isOn) return;
  fastify.decorateRequest('span', null);
  fastify.addHook('onRequest', (request, _reply, done) => {
    const route = request.is404 ? undefined : request.routeOptions.url;
    request.span = tracing.start(route === undefined ? request.method : `${request.method} ${route}`, {
      kind: 'server',
      parent: callersTrace(request),
      attributes: {
        'http.request.method': request.method,
        'url.scheme': request.protocol,
        ...(route === undefined ? {} : { 'http.route': route }),
      },
    });
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const { span, notificationId } = request;
    span?.set({
      'http.response.status_code': reply.statusCode,
      ...(notificationId ? { 'bongsu.notification.id': notificationId } : {}),
    });
    if (reply.statusCode >= 500) span?.fail(String(reply.statusCode));
    span?.end();
    done();
  });
  fastify.addHook('onRequestAbort', (request, done) => {
    request.span?.fail('aborted');
    request.span?.end();
    done();
  });
}

/** The trace that the caller has the request be part of; undefined without a `traceparent`, or with one that is none. */
export const callersTrace = ({ headers }: Pick<FastifyRequest, 'headers'>): TraceContext | undefined =>
  readTraceContext(headers['traceparent'], headers['tracestate']);

/** What to hand on of the request's trace: its span, or else the caller's. */
export const traceOf = (request: FastifyRequest): TraceContext | undefined =>
  request.span?.context ?? callersTrace(request);
