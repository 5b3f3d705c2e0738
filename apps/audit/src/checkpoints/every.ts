import { duration, integer, type Setting } from '@bongsu/config';

/** When a chain is signed: as soon as it has so many records that are not, or one of them has waited so long. */
export interface CheckpointEvery {
  /** Infinity where only time counts. */
  readonly records: number;
  /** Milliseconds. */
  readonly ms: number;
}

/** With a number of records the last few would wait for ever; they are signed after this time, milliseconds. */
const REMAINDER_MS = 60_000;

const records = integer(1, 100_000_000)('');
const time = duration(100, 86_400_000)('');

/** A number of records, such as `1000`, or a duration, such as `10s`. */
export const checkpointEvery = (description: string, fallback: string): Setting<CheckpointEvery> => ({
  description,
  fallback,
  parse: (text) =>
    /^\d+$/.test(text)
      ? { records: records.parse(text), ms: REMAINDER_MS }
      : { records: Number.POSITIVE_INFINITY, ms: time.parse(text) },
});
