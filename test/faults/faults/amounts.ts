import type { Fault } from '../fault.ts';
import { describe, growing, memoryDuring } from '../memory.ts';

/** Fault 28: connections that send without pause, and for how long. */
const FLOOD = { clients: 500, ms: 30_000 };
/** Growth from the second third of a time to its last that is still the sawtooth of a collected heap. */
const FLAT = 0.1;
/** More than a service needs with its buffers full, and far less than a flood would need that was only kept, MB. */
const BOUND = 768;

/** What a lot does: for long, and at once. */
export const AMOUNT_FAULTS: readonly Fault[] = [
  {
    number: 27,
    title: 'soak: memory stays flat',
    share: 5,
    differs: 'minutes instead of hours: five times the notifications',
    async act({ system, load, part, say }) {
      const memory = await memoryDuring(system, load.more(part(0.9), 1_200_000));
      say(`resident memory, medians of three thirds: ${describe(memory)} MB`);
      const grown = growing(memory, FLAT);
      if (grown.length > 0) throw new Error(`Memory of ${grown.join(', ')} grows: ${describe(memory)} MB`);
    },
  },
  {
    number: 28,
    title: 'twice the capacity and more: 429 or 503, flat memory, then recovery',
    // One process that sends cannot fill 32 MB; 64 KB are a hundred notifications.
    apiSettings: { KAFKA_BUFFER_MEMORY: '65536' },
    differs: '30 s instead of 10 min',
    patienceSeconds: 600,
    async act({ system, load, part, say }) {
      // Memory of a young process grows whatever it does.
      await load.more(part(0.5));
      const before = { taken: load.count, refused: load.refused, all: new Map(load.refusals) };
      const memory = await memoryDuring(system, load.flood(FLOOD.clients, FLOOD.ms));
      const [taken, refused] = [load.count - before.taken, load.refused - before.refused];
      say(`${taken + refused} requests, ${taken} taken, ${refused} refused in ${FLOOD.ms / 1000} s`);
      say(`resident memory, medians of three thirds: ${describe(memory)} MB`);
      if (refused < taken) throw new Error(`It was not twice the capacity: ${taken} taken and ${refused} refused`);
      const other = [...load.refusals].filter(
        ([status, count]) => status !== 429 && status !== 503 && count > (before.all.get(status) ?? 0),
      );
      if (other.length > 0) throw new Error(`Answers other than 202, 429 and 503: ${JSON.stringify(other)}`);
      const large = [...memory].filter(([, sizes]) => sizes.some((size) => size > BOUND)).map(([name]) => name);
      const grown = [...new Set([...large, ...growing(memory, FLAT)])];
      if (grown.length > 0) throw new Error(`Memory of ${grown.join(', ')} is not flat: ${describe(memory)} MB`);
    },
  },
];
