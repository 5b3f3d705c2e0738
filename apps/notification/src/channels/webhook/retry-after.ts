const MAX_MS = 24 * 3_600_000;

/**
 * The wait that a Retry-After header asks for (RFC 9110, section 10.2.3: seconds, or a date), in milliseconds and at most 24 h;
 * undefined when there is none or it cannot be read.
 */
export function retryAfter(header: string | string[] | undefined, now: number): number | undefined {
  const value = (Array.isArray(header) ? header[0] : header)?.trim();
  if (!value) return undefined;
  if (/^\d{1,10}$/.test(value)) return Math.min(Number(value) * 1000, MAX_MS);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.min(Math.max(0, date - now), MAX_MS);
}
