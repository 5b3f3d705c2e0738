import { BongsuError, hashApiKey } from '@bongsu/contracts';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { HttpProblem } from '../problems/problem.js';
import type { ApiKeyDirectory, CallerIdentity } from './api-key.js';

const BEARER = /^Bearer +([A-Za-z0-9_-]{16,512})$/i;

/** Every route under this needs a key; the API's description and its page do not. */
const PROTECTED = '/v1/';

export interface AuthenticationOptions {
  readonly directory: ApiKeyDirectory;
  /** Requests per second and key; 0 for no limit. */
  readonly rateLimit: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Authenticates before the body is read, so that nobody without a key makes us hold one. */
export function authenticateRequests(fastify: FastifyInstance, options: AuthenticationOptions): void {
  fastify.decorateRequest('caller', null);
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (request.is404 || !request.routeOptions.url?.startsWith(PROTECTED)) return done();
    try {
      request.caller = callerOf(request.headers.authorization, options);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  if (options.rateLimit > 0) limitRates(fastify, options.rateLimit);
}

function limitRates(fastify: FastifyInstance, limit: number): void {
  const limiter = new RateLimiterMemory({ points: limit, duration: 1 });
  fastify.addHook('onRequest', async (request, reply) => {
    if (!request.caller) return;
    try {
      limitHeaders(reply, limit, await limiter.consume(request.caller.keyId));
    } catch (refusal) {
      throw refusal instanceof RateLimiterRes ? tooMany(reply, limit, refusal) : refusal;
    }
  });
}

/** Throws `unauthenticated` for a key that is missing, unknown, revoked or expired; the answer does not tell which. */
export function callerOf(authorization: string | undefined, { directory, now }: AuthenticationOptions): CallerIdentity {
  const key = BEARER.exec(authorization ?? '')?.[1];
  if (key === undefined) throw new BongsuError('unauthenticated', 'Send Authorization: Bearer <API key>');
  const identity = directory.find(hashApiKey(key));
  if (!identity && !directory.complete)
    throw new BongsuError('database_unavailable', 'The API keys have not been read yet');
  if (!identity || (identity.expiresAt !== undefined && identity.expiresAt <= now())) {
    throw new BongsuError('unauthenticated', 'The API key is unknown, revoked or expired');
  }
  return { keyId: identity.id, tenant: identity.tenant, scopes: identity.scopes };
}

function limitHeaders(reply: FastifyReply, limit: number, state: RateLimiterRes): void {
  reply.headers({
    'ratelimit-policy': `${limit};w=1`,
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(state.remainingPoints),
    'ratelimit-reset': String(Math.ceil(state.msBeforeNext / 1000)),
  });
}

function tooMany(reply: FastifyReply, limit: number, state: RateLimiterRes): HttpProblem {
  limitHeaders(reply, limit, state);
  const seconds = String(Math.max(1, Math.ceil(state.msBeforeNext / 1000)));
  return new HttpProblem('rate_limited', `This key may make ${limit} requests a second`, {
    headers: { 'retry-after': seconds },
  });
}
