import { expect, inject, it } from 'vitest';
import { FAULTS } from '../../faults/faults/all.js';
import { isCovered } from '../../faults/fault.js';
import { run } from '../../faults/run.js';

/** Those of `npm run test:faults` that are short and break nothing but the services: the run's stack has other users. */
const SHORT = new Set([15, 17, 19]);
const SEED = Number(process.env['BONGSU_SEED'] ?? Date.now() % 100_000);

it.each(FAULTS.flatMap((fault) => (!isCovered(fault) && SHORT.has(fault.number) ? [fault] : [])))(
  `survives fault $number: $title (seed ${SEED})`,
  async (fault) => {
    const options = { seed: SEED, notifications: 1_000, perSecond: 400, say: () => {} };
    const result = await run(fault, inject('bongsu'), options);
    expect(result).toMatchObject({ lost: 0, reordered: 0, problems: [] });
  },
  300_000,
);
