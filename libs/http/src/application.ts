import { randomUUID } from 'node:crypto';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { BongsuError } from '@bongsu/contracts';
import { NestLogger, type Logger } from '@bongsu/observability';
import type { FastifyInstance } from 'fastify';
import { API_KEY_DIRECTORY, type ApiKeyDirectory } from './access/api-key.js';
import { authenticateRequests } from './access/authentication.js';
import type { Refusals } from './access/refusals.js';
import { ScopeGuard } from './access/scope-guard.js';
import { ContractPipe } from './body/contract-pipe.js';
import { drainUnreadBodies, registerParsers } from './body/parsers.js';
import { serveOpenApi, type ApiDescription } from './openapi.js';
import { answerMalformedHttp } from './problems/malformed-http.js';
import { ProblemFilter, sendProblem, type Classify } from './problems/problem-filter.js';
import { RouteTable } from './problems/route-table.js';
import { watchRequests } from './request-log.js';
import { traceRequests } from './request-trace.js';

export interface HttpOptions {
  readonly logger: Logger;
  readonly description: ApiDescription;
  /** How long headers, and after them a body, may take to arrive, milliseconds; then 408. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** Requests per second and key; 0, the default, for no limit. */
  readonly rateLimit?: number;
  /** Paths (as declared) that take application/x-ndjson as a stream. */
  readonly ndjsonRoutes?: readonly string[];
  /** Writes down requests that are refused for their key. */
  readonly refusals?: (app: NestFastifyApplication) => Refusals;
  /** Gives errors of the service's own libraries their code; the rest are 500. */
  readonly classify?: Classify;
  /** Milliseconds since 1970; for tests. */
  readonly now?: () => number;
}

/** The most bytes of a body, as sent and as decompressed. */
export const MAX_BODY_BYTES = 256 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
/** An id in a path has 36 characters; a parameter longer than this is answered 404 without a look. */
const MAX_PARAMETER_LENGTH = 256;

/**
 * A Nest application on Fastify with everything that the services' HTTP has in common: limits, problem+json, API keys
 * (`API_KEY_DIRECTORY` must be provided by the module), contracts for bodies, metrics, and the description at
 * `/openapi.json` and `/docs`. Initialised and not yet listening.
 */
export async function createHttpApplication(
  module: Type<unknown> | DynamicModule,
  options: HttpOptions,
): Promise<NestFastifyApplication> {
  const routes = new RouteTable();
  const timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const adapter = new FastifyAdapter({ ...serverOptions(timeoutMs), skipMiddie: true });
  const fastify = adapter.getInstance<FastifyInstance>();
  fastify.addHook('onRoute', ({ method, url }) => routes.add(method, url));

  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: new NestLogger(options.logger),
  });
  traceRequests(fastify);
  watchRequests(fastify, options.logger);
  options.refusals?.(app).watch(fastify);
  authenticateRequests(fastify, {
    directory: app.get<ApiKeyDirectory>(API_KEY_DIRECTORY),
    rateLimit: options.rateLimit ?? 0,
    now: options.now ?? Date.now,
  });
  registerParsers(fastify, { maxBytes: MAX_BODY_BYTES, timeoutMs }, options.ndjsonRoutes ?? []);
  drainUnreadBodies(fastify);
  app.useGlobalFilters(
    new ProblemFilter({ logger: options.logger, routes, classify: options.classify ?? (() => undefined) }),
  );
  app.useGlobalGuards(new ScopeGuard());
  app.useGlobalPipes(new ContractPipe());
  serveOpenApi(app, options.description);
  await app.init();
  await fastify.ready();
  return app;
}

function serverOptions(timeoutMs: number) {
  return {
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    // Node's own limit on a whole request would end a long NDJSON stream; bodies have their own timer (read-body.ts).
    requestTimeout: 0,
    keepAliveTimeout: 65_000,
    // Requests that arrive on open connections while the server closes are still answered, with `connection: close`.
    return503OnClosing: false,
    forceCloseConnections: 'idle' as const,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: timeoutMs,
      connectionsCheckingInterval: Math.min(5_000, Math.ceil(timeoutMs / 4)),
    },
    genReqId: (request: { headers: Record<string, string | string[] | undefined> }): string => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : randomUUID();
    },
    clientErrorHandler: answerMalformedHttp,
    frameworkErrors: (
      error: { code: string },
      request: { id: string },
      reply: Parameters<typeof sendProblem>[0],
    ): void => {
      const tooLong = error.code === 'FST_ERR_MAX_PARAM_LENGTH';
      sendProblem(
        reply,
        tooLong ? new BongsuError('not_found') : new BongsuError('malformed_request', 'The URL is malformed'),
        request.id,
      );
    },
  };
}
