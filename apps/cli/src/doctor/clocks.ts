import { failed, ok, warning, type Finding } from './finding.js';
import { duration } from './time.js';

/** Seconds. Times of sending are to the second; leases and idempotency windows stand more. */
const NOTICEABLE = 5;
const HARMFUL = 60;

/**
 * How far a clock is from this machine's. Kafka's protocol tells no broker's time.
 * @param ms of the other one, less ours
 * @param resolutionMs how exactly it tells its time
 */
export function clockFinding(whose: string, ms: number, resolutionMs = 0): Finding {
  const what = `clock of ${whose}`;
  const off = Math.max(0, Math.abs(ms) - resolutionMs) / 1000;
  const detail = `${duration(Math.abs(ms) / 1000)} ${ms < 0 ? 'behind' : 'ahead of'} this machine's`;
  if (off <= NOTICEABLE) return ok(what, off < 1 ? "agrees with this machine's" : detail);
  const advice = 'Run NTP (chrony, systemd-timesyncd) on both: due times, windows and signatures go by them';
  return off > HARMFUL ? failed(what, detail, advice) : warning(what, detail, advice);
}
