import type { Arm, Workload } from '../arm.ts';
import type { FillRequest } from '../arms/src/fill-request.ts';
import type { Bench } from '../bench.ts';
import { Pipeline } from '../pipeline.ts';
import { startProgram } from '../programs.ts';
import { deliverBacklog } from './backlog.ts';

interface Shape extends Pick<FillRequest, 'keys' | 'bodyBytes' | 'ordered' | 'count'> {
  readonly name: string;
  readonly title: string;
  readonly providerMs: number;
}

/** A text that makes a record of about 350 bytes, and one of 2 KB. */
const [SHORT, LONG] = [66, 2_048];

/** Counts are such that each takes some seconds: one key with 20 ms per call cannot be faster than 50 per second. */
const SHAPES: readonly Shape[] = [
  {
    name: 'bongsu-uniform-350',
    title: '10,000 recipients alike, 350 B',
    keys: 'uniform',
    bodyBytes: SHORT,
    count: 20_000,
    providerMs: 0,
  },
  {
    name: 'bongsu-uniform-2k',
    title: '10,000 recipients alike, 2 KB',
    keys: 'uniform',
    bodyBytes: LONG,
    count: 20_000,
    providerMs: 0,
  },
  {
    name: 'bongsu-zipf',
    title: 'Zipf(1.0), 350 B',
    keys: 'zipf',
    bodyBytes: SHORT,
    count: 20_000,
    providerMs: 0,
  },
  {
    name: 'bongsu-zipf-20',
    title: 'Zipf(1.0), 350 B, provider 20 ms',
    keys: 'zipf',
    bodyBytes: SHORT,
    count: 3_000,
    providerMs: 20,
  },
  {
    name: 'bongsu-hot',
    title: 'One hot key, 350 B',
    keys: 'one',
    bodyBytes: SHORT,
    count: 10_000,
    providerMs: 0,
  },
  {
    name: 'bongsu-hot-20',
    title: 'One hot key, 350 B, provider 20 ms',
    keys: 'one',
    bodyBytes: SHORT,
    count: 150,
    providerMs: 20,
  },
  {
    name: 'bongsu-hot-ordered',
    title: 'One hot key, strict order (orderingKey)',
    keys: 'one',
    bodyBytes: SHORT,
    ordered: true,
    count: 300,
    providerMs: 0,
  },
];

/** What is delivered by the same service as bodies grow and recipients become unequal. */
export async function shapes(bench: Bench): Promise<Workload> {
  const fill = await startProgram('fill', { KAFKA_BROKERS: bench.stack.kafkaBrokers });
  const pipeline = await Pipeline.start(bench, { name: 'shapes' });
  // Numbers go on from arm to arm: recipients are the same, and their order shows by them.
  let first = 0;
  const arms = SHAPES.map(({ name, title, providerMs, count: full, ...rest }): Arm => {
    const round: Arm['round'] = async (share) => {
      const count = Math.ceil(full * share * bench.size);
      first += count;
      const request = { ...rest, prefix: pipeline.prefix, count, first: first - count };
      return await deliverBacklog(bench, pipeline, fill, { providerMs, request });
    };
    return { name, title, round };
  });
  return {
    name: 'shapes',
    title: 'Shapes: larger bodies, unequal recipients',
    unit: 'delivered',
    how:
      'As above, by one notification service, provider 0 ms unless said. One delivery per key and channel is under way at a time, so ' +
      'that first attempts keep their order: a single key cannot get more than one per answer of its provider (50 per second at 20 ms), and the ' +
      'commonest key of Zipf(1.0), 7.5 % of 10,000, bounds all of it to 667 per second at 20 ms. With `orderingKey` the next is due ' +
      'when the one before has ended in the ledger: one settlement each. Every id once and the order per key are gates.',
    arms,
    end: async () => {
      await Promise.all([pipeline.end(), fill.end()]);
    },
  };
}
