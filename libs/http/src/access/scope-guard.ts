import { createParamDecorator, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { allows, BongsuError, type Scope } from '@bongsu/contracts';
import type { FastifyRequest } from 'fastify';
import type { CallerIdentity } from './api-key.js';

const SCOPE = 'bongsu:scope';

/** The scope that a handler (or every handler of a controller) needs. */
export const RequireScope = (scope: Scope) => SetMetadata(SCOPE, scope);

/** Who makes the request, in a handler's parameters. */
export const Caller = createParamDecorator((_data: unknown, context: ExecutionContext): CallerIdentity => {
  const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!caller) throw new BongsuError('unauthenticated');
  return caller;
});

/**
 * Refuses a caller whose key lacks the handler's scope. A handler that names none is refused too: forgetting the decorator
 * must not open a route.
 */
export class ScopeGuard implements CanActivate {
  private readonly reflector = new Reflector();

  canActivate(context: ExecutionContext): boolean {
    const needed = this.reflector.getAllAndOverride<Scope | undefined>(SCOPE, [
      context.getHandler(),
      context.getClass(),
    ]);
    const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
    if (!caller) throw new BongsuError('unauthenticated');
    if (!needed || !allows(caller.scopes, needed)) {
      throw new BongsuError('forbidden', `The API key needs the scope ${needed ?? 'of this route, which names none'}`);
    }
    return true;
  }
}
