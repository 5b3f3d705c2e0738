import type { Pace } from '@bongsu/lanes';
import type { Manners } from './projection.js';

/** Records in a transaction: as many as its fixed cost is small for, and fewer while each must keep the processor for a moment only. */
const ENOUGH = 500;
const ENOUGH_YIELDING = 100;
/** A transaction with more facts tells of a backlog. */
const FEW = 100;
/** What bulk requests and facts have of the time in any case, percent. Facts are those of all lanes, in one topic. */
const REQUESTS_LEAST = 5;
const FACTS_LEAST = 50;

/** Bulk gives way to urgent requests, which are accepted by the same process. */
export const mannersOf = (pace: Pace): Manners => ({
  enough: () => (pace.isYielding ? ENOUGH_YIELDING : ENOUGH),
  afterBulk: (workMs, _records, signal) => pace.rest(workMs, REQUESTS_LEAST, signal),
  afterFacts: async (workMs, records, signal) => {
    if (records > FEW) await pace.rest(workMs, FACTS_LEAST, signal);
  },
});
