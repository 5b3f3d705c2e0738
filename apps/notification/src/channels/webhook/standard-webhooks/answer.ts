import { done, reject, retry, type Outcome } from '../../provider.js';

/** The longest wait that a receiver may ask for, milliseconds. */
const MAX_WAIT_MS = 24 * 3_600_000;
/** Not now: the request took too long, comes too early (RFC 8470), comes too often. */
const NOT_NOW = new Set([408, 425, 429]);
/** RFC 9110, section 5.6.7: the form in use, and the two that may still be met. All say the day of the week first. */
const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /;

/** What an HTTP status means to a delivery. The answer's own words are not repeated: they may quote anything. */
export function answerOutcome(status: number, retryAfter: string | string[] | undefined, now: Date): Outcome {
  if (status < 300) return done;
  const code = `http_${status}`;
  if (status < 400) return reject(code, `The receiver redirects (HTTP ${status}), and redirects are not followed`);
  if (status >= 500 || NOT_NOW.has(status)) {
    // undici gives a header that was sent twice as an array, whatever Node's type says.
    const [first] = [retryAfter].flat();
    return retry(code, `The receiver answered HTTP ${status}`, retryAfterMs(first, now));
  }
  return reject(code, `The receiver refuses the webhook (HTTP ${status})`);
}

/** Retry-After (RFC 9110, section 10.2.3), seconds or a date, as milliseconds from now, at most 24 h; undefined when unreadable. */
export function retryAfterMs(value: string | undefined, now: Date): number | undefined {
  const text = value?.trim() ?? '';
  const at = /^\d{1,15}$/.test(text)
    ? Number(text) * 1000
    : HTTP_DATE.test(text)
      ? dateMs(text) - now.getTime()
      : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at, 0), MAX_WAIT_MS);
}

/** asctime's form names no zone and means GMT. */
const dateMs = (text: string): number => Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
