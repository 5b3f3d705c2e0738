import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTraceState, ROOT_CONTEXT, SpanKind as OtelKind, trace, type SpanContext } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { isSampled, type TraceContext } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { TracingSettings } from '../start.js';
import { NO_SPAN, type Span, type SpanKind, type SpanOptions, type Tracer } from '../tracing.js';
import { BoundedExport } from './bounded-export.js';
import { samplerOf } from './sampler.js';
import { LocalContext, OtlpSpan } from './span.js';

export interface OtlpTracerOptions extends TracingSettings {
  /** The collector's base URL: spans go to `<endpoint>/v1/traces`. */
  readonly endpoint: string;
  readonly service: string;
  readonly logger: Logger;
}

/** A batch of records is linked with each of them. */
const MAX_LINKS = 1_000;
/** How long one request may take, with the attempts that it is repeated in, milliseconds. */
const REQUEST_TIMEOUT_MS = 5_000;

const KINDS: Readonly<Record<SpanKind, OtelKind>> = {
  internal: OtelKind.INTERNAL,
  server: OtelKind.SERVER,
  client: OtelKind.CLIENT,
  producer: OtelKind.PRODUCER,
  consumer: OtelKind.CONSUMER,
};

/**
 * Spans by the OpenTelemetry SDK, sent as OTLP over HTTP in JSON. Contexts are handed on explicitly: nothing is patched,
 * nothing is registered globally, and no AsyncLocalStorage follows every promise.
 */
export class OtlpTracer implements Tracer {
  readonly #provider: TracerProvider;
  readonly #tracer: ReturnType<TracerProvider['getTracer']>;
  readonly #followsParent: boolean;

  constructor(options: OtlpTracerOptions) {
    const { sampler, followsParent } = samplerOf(options.OTEL_TRACES_SAMPLER, options.OTEL_TRACES_SAMPLER_ARG);
    const exporter = new OTLPTraceExporter({
      url: `${options.endpoint.replace(/\/+$/, '')}/v1/traces`,
      timeoutMillis: REQUEST_TIMEOUT_MS,
      headers: Object.fromEntries(options.OTEL_EXPORTER_OTLP_HEADERS ?? []),
    });
    this.#followsParent = followsParent;
    this.#provider = new TracerProvider({
      sampler,
      spanLimits: { linkCountLimit: MAX_LINKS, attributeValueLengthLimit: 1_024 },
      resource: resourceFromAttributes({
        'service.namespace': 'bongsu',
        'service.name': `bongsu-${options.service}`,
        'service.instance.id': randomUUID(),
        'host.name': hostname(),
        ...Object.fromEntries(options.OTEL_RESOURCE_ATTRIBUTES ?? []),
      }),
      spanProcessors: [new BoundedExport(exporter, options.logger)],
    });
    this.#tracer = this.#provider.getTracer('bongsu');
  }

  start(name: string, { kind, parent, links, attributes }: SpanOptions): Span {
    // Most of what is not sampled ends here, for the price of one comparison.
    if (parent && this.#followsParent && !isSampled(parent)) return NO_SPAN;
    const span = this.#tracer.startSpan(
      name,
      {
        kind: KINDS[kind],
        ...(attributes ? { attributes } : {}),
        ...(links ? { links: links.map((link) => ({ context: spanContextOf(link) })) } : {}),
      },
      parent ? trace.setSpanContext(ROOT_CONTEXT, spanContextOf(parent)) : ROOT_CONTEXT,
    );
    return new OtlpSpan(span);
  }

  async stop(deadlineMs: number): Promise<void> {
    const late = sleep(deadlineMs, undefined, { ref: false });
    // That it failed is counted and logged where it does.
    await Promise.race([this.#provider.shutdown().catch(() => undefined), late]);
  }
}

function spanContextOf(context: TraceContext): SpanContext {
  if (context instanceof LocalContext) return context.spanContext;
  const { traceparent, tracestate } = context;
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53, 55), 16),
    isRemote: true,
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
  };
}
