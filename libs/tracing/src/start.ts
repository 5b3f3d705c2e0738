import type { observabilitySettings, Settings } from '@bongsu/config';
import type { Logger } from '@bongsu/observability';
import { tracing } from './tracing.js';

export type TracingSettings = Pick<
  Settings<ReturnType<typeof observabilitySettings>>,
  | 'OTEL_EXPORTER_OTLP_ENDPOINT'
  | 'OTEL_EXPORTER_OTLP_HEADERS'
  | 'OTEL_RESOURCE_ATTRIBUTES'
  | 'OTEL_TRACES_SAMPLER'
  | 'OTEL_TRACES_SAMPLER_ARG'
>;

/**
 * Turns tracing on if OTEL_EXPORTER_OTLP_ENDPOINT says where spans go, else does nothing at all. To be called before
 * anything that makes spans is built: HTTP hooks are only registered while it is on.
 * @param service api, notification or audit; spans say `bongsu-<service>`
 */
export async function startTracing(settings: TracingSettings, service: string, logger: Logger): Promise<void> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } = settings;
  if (endpoint === undefined) return;
  // Not at the top: who does not trace pays neither for loading the SDK nor for its memory.
  const { OtlpTracer } = await import('./otlp/tracer.js');
  tracing.use(new OtlpTracer({ ...settings, endpoint, service, logger }));
  const { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument } = settings;
  // The host alone: what a URL holds beside it may be a secret.
  logger.info({ endpoint: new URL(endpoint).host, sampler, argument }, 'Traces are sent by OTLP');
}
