/** Milliseconds before the first, second, … restart of a part that keeps dying; the last one for all that follow. */
const DELAYS = [100, 1_000, 2_000, 4_000, 8_000, 10_000] as const;
/** A part that ran this long, milliseconds, has recovered: its next death is a first one again. */
const RECOVERED_AFTER = 30_000;
/** A part that dies this often at the first start without ever being ready will not come up by more of the same. */
const HOPELESS_AFTER = 3;

/**
 * Decides when a part that has ended is started again. A single death costs next to nothing (everything is to be ready
 * again within 30 s, and Kafka alone needs 10 of them); one that keeps dying is tried every 10 s.
 */
export class RestartPolicy {
  private deaths = 0;
  private readySince: number | undefined;
  private everReady = false;
  private readonly now: () => number;

  /** @param now a clock that never goes back, milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  ready(): void {
    this.readySince = this.now();
    this.everReady = true;
  }

  /** Milliseconds to wait before the next start, or `give up`: it has never worked and will not. */
  ended(): number | 'give up' {
    if (this.readySince !== undefined && this.now() - this.readySince >= RECOVERED_AFTER) this.deaths = 0;
    this.readySince = undefined;
    this.deaths += 1;
    if (!this.everReady && this.deaths >= HOPELESS_AFTER) return 'give up';
    return DELAYS[Math.min(this.deaths, DELAYS.length) - 1] ?? 10_000;
  }
}
