/** What the program `fill` is asked to put into Kafka. */
export interface FillRequest {
  readonly prefix: string;
  readonly count: number;
  /** The number of the first: numbers grow for each installation, and show in the subject. */
  readonly first: number;
  /** How often each recipient comes: all alike, by Zipf's law with exponent 1, or one alone. */
  readonly keys: 'uniform' | 'zipf' | 'one';
  readonly bodyBytes: number;
  /** Whether all are of one strict order (`orderingKey`). Default false. */
  readonly ordered?: boolean;
  /** Each when it is due, at this rate; left out: all at once. */
  readonly perSecond?: number;
}
