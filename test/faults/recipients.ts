import { seeded } from '@bongsu/testing';

/** How many recipients all alike, and how many by Zipf's law, a sequence has. */
const UNIFORM = 1_000;
const SKEWED = 1_000;

/** Sums of 1/1, 1/2, … 1/n: Zipf's law with the exponent 1, by which the first gets 13 % and the last one in 7,500. */
const ZIPF = Array.from({ length: SKEWED }).reduce<number[]>(
  (sums, _, n) => [...sums, (sums[n - 1] ?? 0) + 1 / (n + 1)],
  [],
);

/**
 * An endless sequence of recipients that depends on the seed alone: half of it evenly among a thousand (`<name>-even-<n>`), half
 * among another thousand by Zipf's law (`<name>-zipf-<rank>`).
 */
export function recipients(name: string, seed: number): () => string {
  const random = seeded(seed);
  return () => {
    const skewed = random() < 0.5;
    const drawn = random();
    return skewed ? `${name}-zipf-${rankAt(drawn)}` : `${name}-even-${Math.floor(drawn * UNIFORM)}`;
  };
}

/** The first rank up to which that share of all goes; by bisection. */
function rankAt(share: number): number {
  const wanted = share * ZIPF[SKEWED - 1]!;
  let [low, high] = [0, SKEWED - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ZIPF[middle]! > wanted) high = middle;
    else low = middle + 1;
  }
  return low + 1;
}
