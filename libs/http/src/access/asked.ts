import { BongsuError } from '@bongsu/contracts';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { CallerIdentity } from './api-key.js';

/** Who asks for what, as it is written down. */
export interface Asked {
  readonly caller: CallerIdentity;
  readonly method: string;
  /** As declared. */
  readonly route: string;
  /** Of the query and the path, cut to 1,000 characters each. */
  readonly parameters: Record<string, string>;
  readonly requestId: string;
}

/** What the request of a handler asks for. Throws `unauthenticated` where the guard has let nobody in. */
export function askedOf(context: ExecutionContext): Asked {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const { caller, method, routeOptions, id: requestId } = request;
  if (!caller) throw new BongsuError('unauthenticated');
  return { caller, method, route: routeOptions.url ?? '', parameters: parametersOf(request), requestId };
}

/** A parameter that is given twice is refused by its handler; here it is as it came. */
function parametersOf({ query, params }: FastifyRequest): Record<string, string> {
  const given = { ...(query as Record<string, unknown>), ...(params as Record<string, unknown>) };
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value).slice(0, 1_000)]));
}
