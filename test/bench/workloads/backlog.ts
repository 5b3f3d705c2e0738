import type { Sample } from '../arm.ts';
import type { FillRequest } from '../arms/src/fill-request.ts';
import { measured, type Bench } from '../bench.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Program } from '../programs.ts';

/**
 * Fills Kafka while the intake is held back, and times from the first record that is taken in until the last delivery.
 * @throws GateError unless each was delivered once, in the order of its key, and its facts were published
 */
export async function deliverBacklog(
  bench: Bench,
  pipeline: Pipeline,
  fill: Program,
  { providerMs, request }: { readonly providerMs: number; readonly request: FillRequest },
): Promise<Sample> {
  const { count } = request;
  await pipeline.pause(providerMs);
  const facts = await pipeline.factsWritten();
  const ids = await fill.ask<string[]>(request, 'filled');
  const { done } = await pipeline.begin(count);
  const { seconds, cpu } = await measured(bench, pipeline.pids, () => done);
  await pipeline.check(ids, facts);
  return { count, seconds, cpu };
}
