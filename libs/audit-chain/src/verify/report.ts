import type { Finding } from './chain-verifier.js';

export interface VerifyReport {
  /** Whether no problem was found. */
  readonly ok: boolean;
  /** Records read. */
  readonly records: number;
  readonly chains: number;
  /** Signed checkpoints whose root is that of the records. */
  readonly checkpoints: number;
  /** At most 100 per chain; `problemCount` counts all. */
  readonly problems: readonly Finding[];
  readonly problemCount: number;
  /** Worth knowing, though nothing is wrong. */
  readonly notices?: readonly Finding[];
}
