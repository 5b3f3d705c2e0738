/** What one round of one arm came to. */
export interface Sample {
  /** How many, and within how many seconds. */
  readonly count: number;
  readonly seconds: number;
  /** CPU seconds that each process of the arm used meanwhile; who makes the load does not count. */
  readonly cpu: Readonly<Record<string, number>>;
  /** Milliseconds; for arms that answer somebody. */
  readonly p50?: number;
  readonly p99?: number;
}

/** One of the ways to do a workload's work. */
export interface Arm {
  /** Short and stable: results are kept under it. */
  readonly name: string;
  readonly title: string;
  /** Whether its CPU seconds can be told. */
  readonly noCpu?: boolean;
  /** Why it cannot run here: it is reported, not left out. */
  readonly missing?: string;
  /**
   * One round, with its gates.
   * @param share 1 for a measured round; less for one that only warms up
   * @throws when a gate fails: an id is missing or came twice, order was broken, an answer was an error
   */
  round(share: number): Promise<Sample>;
  readonly end?: () => Promise<void>;
}

export interface Workload {
  readonly name: string;
  readonly title: string;
  /** What is counted, in the plural: `delivered`. */
  readonly unit: string;
  /** How it is done, for the report: Markdown. */
  readonly how: string;
  readonly arms: readonly Arm[];
  readonly end?: () => Promise<void>;
}

export interface ArmResult {
  readonly name: string;
  readonly title: string;
  readonly missing?: string;
  readonly noCpu?: boolean;
  readonly samples: readonly Sample[];
}

export interface WorkloadResult {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly how: string;
  readonly arms: readonly ArmResult[];
}

/** A gate that did not hold: the run has failed. */
export class GateError extends Error {
  override readonly name = 'GateError';
}

/** An arm whose server or program is not on this machine. */
export const missingArm = (name: string, title: string, missing: string): Arm => ({
  name,
  title,
  missing,
  round: () => Promise.reject(new Error(missing)),
});
