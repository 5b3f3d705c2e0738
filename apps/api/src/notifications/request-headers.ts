import { BongsuError } from '@bongsu/contracts';
import type { FastifyRequest } from 'fastify';
import type { AcceptOptions } from './acceptance.js';

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;
/** W3C Trace Context, version 00. */
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What the headers say of a request to accept. Throws malformed_request for an Idempotency-Key that is not one. */
export function acceptOptions({ headers }: FastifyRequest): AcceptOptions {
  const key = headers['idempotency-key'];
  if (key !== undefined && !(typeof key === 'string' && IDEMPOTENCY_KEY.test(key))) {
    throw new BongsuError(
      'malformed_request',
      'An Idempotency-Key has 1 to 255 visible ASCII characters, and is sent once',
    );
  }
  const trace = headers['traceparent'];
  return {
    idempotencyKey: key,
    traceparent: typeof trace === 'string' && TRACEPARENT.test(trace) ? trace : undefined,
  };
}
