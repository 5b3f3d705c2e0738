import { DURATION_BUCKETS_SECONDS, registry, type Logger } from '@bongsu/observability';
import { traceFields } from '@bongsu/tracing';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Histogram } from 'prom-client';
import { DOCS_PATH } from './openapi.js';
import { traceOf } from './request-trace.js';

const duration = new Histogram({
  name: 'http_request_duration_seconds',
  help: 'From the first byte of a request to the last of its answer',
  labelNames: ['method', 'route', 'status'] as const,
  buckets: DURATION_BUCKETS_SECONDS,
  registers: [registry],
});

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const;

/** The page at /docs runs Swagger UI's own scripts from this server, and nothing from elsewhere. Its styles are inline. */
const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'";

/**
 * Measures and logs every request: method, route as declared, status, time. Never its headers, query or body, and the path
 * only as declared, since ids and addresses are the callers' own. Successes are logged at debug: at thousands a second the
 * log would cost more than the work.
 */
export function watchRequests(fastify: FastifyInstance, logger: Logger): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(HEADERS);
    reply.header('x-request-id', request.id);
    if (request.url.startsWith(DOCS_PATH)) reply.header('content-security-policy', DOCS_POLICY);
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched');
    const method = request.is404 && reply.statusCode === 404 ? 'any' : request.method;
    const seconds = reply.elapsedTime / 1000;
    duration.observe({ method, route, status: String(reply.statusCode) }, seconds);
    const level = reply.statusCode >= 500 ? 'warn' : reply.statusCode >= 400 ? 'info' : 'debug';
    if (logger.isLevelEnabled(level)) {
      logger[level](
        {
          ...requestFields(request),
          method,
          route,
          status: reply.statusCode,
          ms: Math.round(reply.elapsedTime),
          apiKeyId: request.caller?.keyId,
        },
        'request',
      );
    }
    done();
  });
}

/** By which a line about a request, its trace, and the lines of other services about the same notification are found. */
export function requestFields(request: FastifyRequest): Record<string, string> {
  const { id: requestId, notificationId } = request;
  return { requestId, ...(notificationId ? { notificationId } : {}), ...traceFields(traceOf(request)) };
}
