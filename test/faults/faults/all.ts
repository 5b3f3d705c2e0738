import type { CoveredFault, Fault } from '../fault.ts';
import { CONSUMER_FAULTS } from './consumers.ts';
import { COVERED_FAULTS } from './covered.ts';
import { KAFKA_FAULTS } from './kafka.ts';
import { RECORD_FAULTS } from './records.ts';
import { POSTGRES_FAULTS } from './postgres.ts';
import { PROVIDER_FAULTS } from './providers.ts';
import { AMOUNT_FAULTS } from './amounts.ts';
import { SERVICE_FAULTS } from './services.ts';

/** All faults, by number. */
export const FAULTS: readonly (Fault | CoveredFault)[] = [
  ...KAFKA_FAULTS,
  ...CONSUMER_FAULTS,
  ...POSTGRES_FAULTS,
  ...SERVICE_FAULTS,
  ...PROVIDER_FAULTS,
  ...RECORD_FAULTS,
  ...AMOUNT_FAULTS,
  ...COVERED_FAULTS,
].toSorted((a, b) => a.number - b.number);
