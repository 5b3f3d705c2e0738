import { BongsuError, readTraceContext, traceHeaders, type OutgoingRecord } from '@bongsu/contracts';
import { tracing, type Span } from '@bongsu/tracing';
import type { RecordMetadata } from './record.js';

/**
 * Sends records under a `send` span each, below the span that the record's headers name; the record leaves with the span's
 * own context, so that whoever consumes it goes on below. A record of no trace begins none: nobody asked about it.
 * Names and attributes: OpenTelemetry's conventions for messaging. The key is left out, as it names a recipient.
 */
export async function sendTraced(
  records: readonly OutgoingRecord[],
  to: { readonly prefix: string; readonly clientId: string },
  send: (records: readonly OutgoingRecord[]) => Promise<RecordMetadata[]>,
): Promise<RecordMetadata[]> {
  const spans = records.map((record) => sendSpan(record, to));
  try {
    const metadata = await send(records.map((record, index) => withContext(record, spans[index])));
    for (const [index, span] of spans.entries()) {
      const { partition, offset } = metadata[index]!;
      span?.set({ 'messaging.destination.partition.id': String(partition), 'messaging.kafka.offset': Number(offset) });
    }
    return metadata;
  } catch (error) {
    for (const span of spans) span?.fail(error instanceof BongsuError ? error.code : 'unexpected');
    throw error;
  } finally {
    for (const span of spans) span?.end();
  }
}

export async function sendOneTraced(
  record: OutgoingRecord,
  to: { readonly prefix: string; readonly clientId: string },
  send: (record: OutgoingRecord) => Promise<RecordMetadata>,
): Promise<RecordMetadata> {
  const [metadata] = await sendTraced([record], to, async ([each]) => [await send(each!)]);
  return metadata!;
}

function sendSpan(
  { topic, value, headers }: OutgoingRecord,
  to: { prefix: string; clientId: string },
): Span | undefined {
  const parent = readTraceContext(headers['traceparent'], headers['tracestate']);
  if (!parent) return undefined;
  const destination = to.prefix + topic;
  return tracing.start(`send ${destination}`, {
    kind: 'producer',
    parent,
    attributes: {
      'messaging.system': 'kafka',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': destination,
      'messaging.client.id': to.clientId,
      'messaging.message.body.size': value.length,
      ...describedBy((name) => headers[name]),
    },
  });
}

function withContext(record: OutgoingRecord, span: Span | undefined): OutgoingRecord {
  return span?.context ? { ...record, headers: { ...record.headers, ...traceHeaders(span.context) } } : record;
}

/** What the record's attributes say of it, under the names of the conventions for CloudEvents and messaging. */
export function describedBy(attribute: (name: string) => string | undefined): Record<string, string> {
  const described: Record<string, string> = {};
  const [id, type, subject] = [attribute('ce_id'), attribute('ce_type'), attribute('ce_subject')];
  if (id !== undefined) described['messaging.message.id'] = id;
  if (type !== undefined) described['cloudevents.event_type'] = type;
  // All that is traced is about notifications.
  if (subject !== undefined) described['bongsu.notification.id'] = subject;
  return described;
}
