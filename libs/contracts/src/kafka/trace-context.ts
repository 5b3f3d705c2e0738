/** W3C Trace Context (https://www.w3.org/TR/trace-context/): which trace something belongs to, and below which span of it. */
export interface TraceContext {
  /** `00-<trace id>-<span id>-<flags>`, in lower case. */
  readonly traceparent: string;
  /** What tracing systems on the way added: at most 512 characters, handed on as it is. */
  readonly tracestate?: string;
}

/** A later version may say more after its flags; a reader of today takes the part that it knows. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;
const KNOWN_LENGTH = 55;
const MAX_TRACEPARENT = 256;
/** Comma-separated `key=value` of visible ASCII; 512 characters are what everybody has to hand on. */
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;

/**
 * The trace context that two headers tell of; undefined when `traceparent` is not one. Whatever came from outside goes
 * through here before it is stored, logged or sent on. A `tracestate` that is too long or malformed is left out.
 */
export function readTraceContext(traceparent: unknown, tracestate?: unknown): TraceContext | undefined {
  if (typeof traceparent !== 'string' || traceparent.length > MAX_TRACEPARENT || !TRACEPARENT.test(traceparent))
    return undefined;
  // The last text of version 00 is its flags; what follows makes it malformed.
  if (traceparent.startsWith('00') && traceparent.length !== KNOWN_LENGTH) return undefined;
  const known = `00-${traceparent.slice(3, KNOWN_LENGTH)}`;
  return typeof tracestate === 'string' && TRACESTATE.test(tracestate) && tracestate.includes('=')
    ? { traceparent: known, tracestate }
    : { traceparent: known };
}

/** The headers that carry a trace context, of a record or a request. */
export function traceHeaders({ traceparent, tracestate }: TraceContext): Record<string, string> {
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

/** Whether who began the trace (or a sampler on the way) wants its spans to be kept. */
export function isSampled({ traceparent }: TraceContext): boolean {
  return (Number.parseInt(traceparent.slice(53, KNOWN_LENGTH), 16) & 1) === 1;
}

/** A trace context as one text, for a column: the `traceparent`, and after a blank the `tracestate` if there is one. */
export function storeTraceContext({ traceparent, tracestate }: TraceContext): string {
  return tracestate === undefined ? traceparent : `${traceparent} ${tracestate}`;
}

/** What `storeTraceContext` made, read back; undefined for null and for anything else. */
export function loadTraceContext(stored: string | null | undefined): TraceContext | undefined {
  if (!stored) return undefined;
  return readTraceContext(stored.slice(0, KNOWN_LENGTH), stored.slice(KNOWN_LENGTH + 1));
}
