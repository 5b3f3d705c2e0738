import type { TraceContext } from '@bongsu/contracts';

/** The fields by which a log line and its trace find each other, under the names that OpenTelemetry gives them in JSON logs. */
export function traceFields(context: TraceContext | undefined): { trace_id?: string; span_id?: string } {
  if (!context) return {};
  const { traceparent } = context;
  return { trace_id: traceparent.slice(3, 35), span_id: traceparent.slice(36, 52) };
}
