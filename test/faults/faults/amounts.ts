import type { Fault } from '../fault.ts';
import { INSPECTED } from '../inspector.ts';
import { describe, memoryDuring, notFlat } from '../memory.ts';

/** Fault 28: connections that send without pause, and for how long. */
const FLOOD = { clients: 500, ms: 30_000 };

/** What a lot does: for long, and at once. */
export const AMOUNT_FAULTS: readonly Fault[] = [
  {
    number: 27,
    title: 'soak: memory stays flat',
    share: 5,
    settings: INSPECTED,
    differs: 'minutes instead of hours: five times the notifications',
    async act({ system, load, part, say }) {
      await load.more(part(0.1));
      const memory = await memoryDuring(system, load.more(part(0.8), 1_200_000));
      say(`memory: ${describe(memory)}`);
      const grown = notFlat(memory);
      if (grown.length > 0) throw new Error(`Memory of ${grown.join(', ')} is not flat: ${describe(memory)}`);
    },
  },
  {
    number: 28,
    title: 'twice the capacity and more: 429 or 503, flat memory, then recovery',
    // One process that sends cannot fill 32 MB; 16 KB are some twenty notifications.
    apiSettings: { KAFKA_BUFFER_MEMORY: '16384' },
    settings: INSPECTED,
    differs: '30 s instead of 10 min',
    patienceSeconds: 600,
    async act({ system, load, part, say }) {
      // Memory of a young process grows whatever it does.
      await load.more(part(0.5));
      const before = { taken: load.count, refused: load.refused, all: new Map(load.refusals) };
      const memory = await memoryDuring(system, load.flood(FLOOD.clients, FLOOD.ms));
      const [taken, refused] = [load.count - before.taken, load.refused - before.refused];
      say(`${taken + refused} requests, ${taken} taken, ${refused} refused in ${FLOOD.ms / 1000} s`);
      say(`memory: ${describe(memory)}`);
      if (refused < taken) throw new Error(`It was not twice the capacity: ${taken} taken and ${refused} refused`);
      const other = [...load.refusals].filter(
        ([status, count]) => status !== 429 && status !== 503 && count > (before.all.get(status) ?? 0),
      );
      if (other.length > 0) throw new Error(`Answers other than 202, 429 and 503: ${JSON.stringify(other)}`);
      const grown = notFlat(memory);
      if (grown.length > 0) throw new Error(`Memory of ${grown.join(', ')} is not flat: ${describe(memory)}`);
    },
  },
];
