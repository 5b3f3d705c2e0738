import { expect, inject, it } from 'vitest';
import { CONSUMER_FAULTS } from '../../faults/faults/consumers.js';
import { SERVICE_FAULTS } from '../../faults/faults/services.js';
import { run } from '../../faults/run.js';

/** Those of `npm run test:faults` that are short and break nothing but the services, as the run's stack has other users. */
const SHORT = new Set([8, 15, 16]);
const SEED = Number(process.env['BONGSU_SEED'] ?? Date.now() % 100_000);

it.each([...CONSUMER_FAULTS, ...SERVICE_FAULTS].filter(({ number }) => SHORT.has(number)))(
  `survives fault $number: $title (seed ${SEED})`,
  async (fault) => {
    const options = { seed: SEED, notifications: 1_500, perSecond: 200, say: () => {} };
    const result = await run(fault, inject('bongsu'), options);
    expect(result).toMatchObject({ lost: 0, reordered: 0, problems: [] });
  },
  300_000,
);
