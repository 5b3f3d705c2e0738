import type { TraceContext } from '@bongsu/contracts';

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** OpenTelemetry's span kinds. */
export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

export interface SpanOptions {
  readonly kind: SpanKind;
  /** The span above it, of this process or of another; without one it begins a trace. */
  readonly parent?: TraceContext | undefined;
  /** What it is also about, in whatever trace that is. */
  readonly links?: readonly TraceContext[];
  /** Never a payload, an address or a secret: traces leave the installation. */
  readonly attributes?: Attributes;
}

/** Something that took time. It must be ended, or nobody ever hears of it. */
export interface Span {
  /**
   * What to hand on, so that others can go on below this span. Undefined when nothing is recorded: then what came in is
   * handed on unchanged, as `span.context ?? incoming`.
   */
  readonly context: TraceContext | undefined;
  set(attributes: Attributes): void;
  /** @param type a class of errors of which there are few: a code, a status, an error's name; never a message */
  fail(type: string): void;
  end(): void;
}

/** Makes spans. There is one behind `tracing` while tracing is on. */
export interface Tracer {
  start(name: string, options: SpanOptions): Span;
  /** Sends what there is, for at most so long; the rest is lost. */
  stop(deadlineMs: number): Promise<void>;
}

/** The span of everything while tracing is off, and of whatever belongs to a trace that is not sampled. */
export const NO_SPAN: Span = Object.freeze({ context: undefined, set() {}, fail() {}, end() {} });

/**
 * The tracing of this process. It is off until `startTracing` finds somewhere to send spans to; off, it makes no spans, and
 * the OpenTelemetry SDK is not even loaded. On hot paths ask `isOn` before attributes are put together.
 */
class Tracing {
  #tracer: Tracer | undefined;

  get isOn(): boolean {
    return this.#tracer !== undefined;
  }

  start(name: string, options: SpanOptions): Span {
    return this.#tracer === undefined ? NO_SPAN : this.#tracer.start(name, options);
  }

  use(tracer: Tracer): void {
    this.#tracer = tracer;
  }

  /** Sends what there is, within a bounded time, and is off from then on. Never rejects. */
  async stop(deadlineMs: number): Promise<void> {
    const tracer = this.#tracer;
    this.#tracer = undefined;
    await tracer?.stop(deadlineMs);
  }
}

export const tracing = new Tracing();
