import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { BongsuError, ERRORS, type ErrorCode } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { requestFields } from '../request-log.js';
import { HttpProblem, problemBody, problemHeaders, PROBLEM_TYPE } from './problem.js';
import type { RouteTable } from './route-table.js';

/** Tells which errors of a service's own libraries (a database driver's) have a code of ours. */
export type Classify = (error: unknown) => BongsuError | undefined;

/** Turns everything that is thrown on the way of a request into problem+json. What nobody expected is a 500, and logged. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger: Logger;
  private readonly routes: RouteTable;
  private readonly classify: Classify;

  constructor(options: { logger: Logger; routes: RouteTable; classify: Classify }) {
    this.logger = options.logger;
    this.routes = options.routes;
    this.classify = options.classify;
  }

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    // The answer may have begun (a stream that failed half way): it can only be cut off, so that nobody takes it for whole.
    if (reply.raw.headersSent) {
      this.logger.error({ err: thrown, ...requestFields(request) }, 'an answer failed after it had begun');
      reply.raw.destroy();
      return;
    }
    const error = this.problemOf(thrown, request);
    if (ERRORS[error.code].status === 500) {
      this.logger.error(
        { err: thrown, ...requestFields(request), route: request.routeOptions?.url },
        'a request failed unexpectedly',
      );
    }
    sendProblem(reply, error, request.id);
  }

  private problemOf(thrown: unknown, request: FastifyRequest): BongsuError {
    if (request.is404) return this.nothingThere(request);
    if (thrown instanceof BongsuError) return thrown;
    if (thrown instanceof HttpException) return fromStatus(thrown.getStatus(), thrown.message);
    const known = this.classify(thrown);
    if (known) return known;
    // Unexpected: its message may tell of our insides, or repeat what the sender sent. It is in the log.
    return new BongsuError('internal_error', undefined, { cause: thrown });
  }

  private nothingThere(request: FastifyRequest): BongsuError {
    const allowed = this.routes.methodsOf(request.url);
    if (allowed.length === 0) return new BongsuError('not_found', 'There is no such route');
    return new HttpProblem('method_not_allowed', `Allowed here: ${allowed.join(', ')}`, {
      headers: { allow: allowed.join(', ') },
    });
  }
}

export function sendProblem(reply: FastifyReply, error: BongsuError, requestId: string): void {
  const body = problemBody(error, requestId);
  const headers = { ...problemHeaders(error), 'content-type': PROBLEM_TYPE, 'x-request-id': requestId };
  // As bytes: Fastify adds a charset to JSON text, which this media type does not have.
  reply
    .code(body.status)
    .headers(headers)
    .send(Buffer.from(JSON.stringify(body)));
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  413: 'body_too_large',
  414: 'not_found',
  415: 'unsupported_media_type',
  429: 'rate_limited',
};

/** Errors of Fastify and Nest themselves, which know a status but none of our codes. */
function fromStatus(status: number, detail: string): BongsuError {
  const code = BY_STATUS[status];
  if (code) return new BongsuError(code, code === 'unsupported_media_type' ? 'Send application/json' : undefined);
  return status < 500 ? new BongsuError('malformed_request', detail) : new BongsuError('internal_error');
}
