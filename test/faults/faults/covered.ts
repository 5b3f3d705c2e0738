import type { CoveredFault } from '../fault.ts';

/** Faults whose oracle is in tests of their own: what they take (an injected clock, a store that is changed) has no load. */
export const COVERED_FAULTS: readonly CoveredFault[] = [
  {
    number: 18,
    title: 'the provider gone for days (injected clock); 410',
    tests: [
      'apps/notification/src/dispatch/retry-schedule.test.ts',
      'apps/notification/src/settle/decide.test.ts',
      'test/integration/notification/disabled-endpoints.test.ts',
      'test/e2e/api/disabled-endpoints.test.ts',
    ],
  },
  { number: 20, title: 'the dead-letter topic unavailable', tests: ['test/integration/kafka/poison.test.ts'] },
  { number: 21, title: 'redrive of 10,000, twice', tests: ['test/integration/notification/redrive.test.ts'] },
  { number: 22, title: 'retention passes a committed offset', tests: ['test/integration/kafka/consuming.test.ts'] },
  {
    number: 25,
    title: 'a thousand single mutations of the audit store and its export',
    tests: [
      'libs/audit-chain/src/verify',
      'test/integration/audit/tampering.test.ts',
      'test/integration/audit/signed-tampering.test.ts',
    ],
  },
  {
    number: 26,
    title: 'a recipient erased, the audit still verifies',
    tests: ['test/integration/audit/erasure.test.ts', 'test/e2e/pipeline/erasure.test.ts'],
  },
];
