import { TraceFlags } from '@opentelemetry/api';
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Logger } from '@bongsu/observability';
import { tracingSpans } from './metrics.js';

/** Spans in memory at most, waiting and being sent; one takes about 2 KB. */
const MAX_SPANS = 8_192;
/** Spans of one request: more would keep the event loop busy with serializing for too long. */
const MAX_BATCH = 512;
/** How long ended spans wait for more, milliseconds. */
const DELAY_MS = 1_000;
const EXPORT_TIMEOUT_MS = 10_000;

type ExportCallback = Parameters<SpanExporter['export']>[1];
/** ExportResultCode.SUCCESS, of a package that is worth no dependency for one number. */
const SUCCESS: Parameters<ExportCallback>[0]['code'] = 0;

/**
 * Hands ended spans to an exporter, in batches, one after the other. A collector that is away or slow costs spans, never
 * anything else: no more than MAX_SPANS are kept, and what does not fit is counted and forgotten.
 */
export class BoundedExport implements SpanProcessor {
  readonly #batches: BatchSpanProcessor;
  readonly #exporter: SpanExporter;
  readonly #logger: Logger;
  #held = 0;
  #failing = false;
  #dropping = false;

  constructor(exporter: SpanExporter, logger: Logger) {
    this.#exporter = exporter;
    this.#logger = logger;
    this.#batches = new BatchSpanProcessor({
      exporter: {
        export: (spans, done) => this.#export(spans, done),
        shutdown: () => exporter.shutdown(),
        forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
      },
      // One more than ever come, since it drops silently what is above.
      maxQueueSize: MAX_SPANS + 1,
      maxExportBatchSize: MAX_BATCH,
      scheduledDelayMillis: DELAY_MS,
      exportTimeoutMillis: EXPORT_TIMEOUT_MS,
    });
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
    if (this.#held >= MAX_SPANS) {
      tracingSpans.inc({ result: 'dropped' });
      if (!this.#dropping) this.#logger.warn('Spans are dropped: they end faster than the collector takes them');
      this.#dropping = true;
      return;
    }
    this.#held++;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }

  #export(spans: ReadableSpan[], done: ExportCallback): void {
    this.#exporter.export(spans, (result) => {
      this.#held -= spans.length;
      const exported = result.code === SUCCESS;
      tracingSpans.inc({ result: exported ? 'exported' : 'failed' }, spans.length);
      if (exported) this.#worked();
      else this.#failed(result.error);
      done(result);
    });
  }

  #worked(): void {
    if (this.#failing) this.#logger.info('Spans are exported again');
    this.#failing = false;
    if (this.#held < MAX_SPANS / 2) this.#dropping = false;
  }

  /** Once per outage: a collector may be away for days. */
  #failed(error: Error | undefined): void {
    if (!this.#failing) this.#logger.warn({ err: error }, 'Spans cannot be exported; nothing else is affected');
    this.#failing = true;
  }
}
