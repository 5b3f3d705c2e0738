import { BongsuError } from '@bongsu/contracts';
import { callersTrace, traceOf } from '@bongsu/http';
import type { FastifyRequest } from 'fastify';
import type { AcceptOptions } from './acceptance.js';

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** What the headers say of a request to accept. Throws malformed_request for an Idempotency-Key that is not one. */
export function acceptOptions(request: FastifyRequest): AcceptOptions {
  const key = request.headers['idempotency-key'];
  if (key !== undefined && !(typeof key === 'string' && IDEMPOTENCY_KEY.test(key))) {
    throw new BongsuError(
      'malformed_request',
      'An Idempotency-Key has 1 to 255 visible ASCII characters, and is sent once',
    );
  }
  return { idempotencyKey: key, trace: traceOf(request), isCallersTrace: callersTrace(request) !== undefined };
}
