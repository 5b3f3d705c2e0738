import { SpanStatusCode, type Span as OtelSpan, type SpanContext } from '@opentelemetry/api';
import type { TraceContext } from '@bongsu/contracts';
import type { Attributes, Span } from '../tracing.js';

/** The context of a span of this process: needs no parsing when another span is started below it. */
export class LocalContext implements TraceContext {
  readonly spanContext: SpanContext;
  #traceparent: string | undefined;
  declare readonly tracestate?: string;

  constructor(spanContext: SpanContext) {
    this.spanContext = spanContext;
    const tracestate = spanContext.traceState?.serialize();
    if (tracestate) this.tracestate = tracestate;
  }

  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.spanContext;
    return (this.#traceparent ??= `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`);
  }
}

export class OtlpSpan implements Span {
  readonly context: LocalContext;
  readonly #span: OtelSpan;

  constructor(span: OtelSpan) {
    this.#span = span;
    this.context = new LocalContext(span.spanContext());
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(attributes);
  }

  fail(type: string): void {
    this.#span.setAttribute('error.type', type);
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
  }

  end(): void {
    this.#span.end();
  }
}
