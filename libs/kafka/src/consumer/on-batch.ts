import { Catch, UseFilters, type RpcExceptionFilter } from '@nestjs/common';
import { EventPattern, Transport } from '@nestjs/microservices';
import type { Reader, TopicDeclaration } from '@bongsu/contracts';
import { throwError, type Observable } from 'rxjs';
import type { Beside } from './background.js';

/** What `@OnBatch` leaves at a handler for the transport strategy. */
export interface BatchHandlerExtras {
  readonly batch: {
    readonly topic: TopicDeclaration;
    readonly as: Reader['as'];
    readonly beside: Beside | undefined;
  };
}

/**
 * Passes errors on as they are. Nest's own last resort replaces an error with "Internal server error", and the strategy
 * could no longer tell a database that is away from a record that cannot be handled. It comes after every filter of the
 * method and the class, so theirs still decide first.
 */
@Catch()
class PassErrorsOn implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

const passesErrorsOn = new WeakSet<object>();

export interface OnBatchOptions {
  readonly as?: Reader['as'];
  /**
   * A backlog of this topic must not hold up the group's other topics: so many of its partitions at most are handled at
   * the same time, beside the fetch loop. Left out: its batches are handled before anything else is fetched.
   */
  readonly sideBySide?: number;
  /**
   * Fewer records than this are handled at once, in the fetch loop: they are done before anybody has to wait. Default 100; 1 for a
   * handler that rests.
   */
  readonly besideFrom?: number;
}

const BESIDE_FROM = 100;

/**
 * Makes a controller's method the handler of a topic in this service's group. It gets an `EventBatch`, or a `RawBatch` with
 * `{ as: 'bytes' }`, and returns nothing or the records that it rejects (see `BatchOutcome`). Pipes, guards, interceptors
 * and filters apply as to any other handler.
 */
export function OnBatch(topic: TopicDeclaration, options: OnBatchOptions = {}): MethodDecorator {
  const { as = 'events', sideBySide, besideFrom = BESIDE_FROM } = options;
  const beside = sideBySide === undefined ? undefined : { partitions: sideBySide, from: besideFrom };
  const extras: BatchHandlerExtras = { batch: { topic, as, beside } };
  // oxlint-disable-next-line typescript/no-unnecessary-type-arguments -- it chooses among EventPattern's overloads
  const pattern = EventPattern<string>(topic.name, Transport.KAFKA, extras);
  return (target, key, descriptor) => {
    const controller = target.constructor;
    if (!passesErrorsOn.has(controller)) {
      passesErrorsOn.add(controller);
      UseFilters(PassErrorsOn)(controller);
    }
    return pattern(target, key, descriptor);
  };
}
