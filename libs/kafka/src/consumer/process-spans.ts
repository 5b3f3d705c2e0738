import { isSampled, readTraceContext, type EventRecord, type RawRecord, type TraceContext } from '@bongsu/contracts';
import { traceFields, tracing, type Span } from '@bongsu/tracing';
import { describedBy } from '../producer/send-spans.js';

/** What a handler gets of a record: the event, where it could be read and was asked for. */
interface Item {
  readonly raw: RawRecord;
  readonly event: EventRecord | undefined;
}

/** The spans of one call of a handler. */
export interface ProcessSpans {
  /** @param rejected the offsets of records that the handler would not take, with the code for each */
  done(rejected: ReadonlyMap<bigint, string>): void;
  failed(type: string): void;
}

/**
 * A handler gets many records at once, and a span has one parent: so each record's span is below the span that sent it,
 * and the batch has one of its own, which is linked with all of them and tells how long the handler took. Records of no
 * trace, or of one that is not sampled, have none; a batch of nothing else makes no span.
 */
export function processSpans(
  items: readonly Item[],
  { topic, group, partition }: { topic: string; group: string; partition: number },
): ProcessSpans | undefined {
  const traced = items.flatMap((item) => {
    const context = traceOfRecord(item);
    return context && isSampled(context) ? [{ item, context }] : [];
  });
  if (traced.length === 0) return undefined;
  const common = {
    'messaging.system': 'kafka',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': topic,
    'messaging.destination.partition.id': String(partition),
    'messaging.consumer.group.name': group,
  };
  const name = `process ${topic}`;
  const batch = tracing.start(name, {
    kind: 'consumer',
    links: traced.map(({ context }) => context),
    attributes: { ...common, 'messaging.batch.message_count': items.length },
  });
  const spans = new Map<bigint, Span>();
  for (const { item, context } of traced) {
    const span = tracing.start(name, {
      kind: 'consumer',
      parent: context,
      links: batch.context ? [batch.context] : [],
      attributes: {
        ...common,
        'messaging.kafka.offset': Number(item.raw.offset),
        ...describedBy((attribute) => attributeOf(item.raw, attribute)),
      },
    });
    spans.set(item.raw.offset, span);
  }
  const end = (): void => {
    for (const span of spans.values()) span.end();
    batch.end();
  };
  return {
    done(rejected) {
      for (const [offset, code] of rejected) spans.get(offset)?.fail(code);
      end();
    },
    failed(type) {
      for (const span of spans.values()) span.fail(type);
      batch.fail(type);
      end();
    },
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** By which a log line about a record is found. Its headers may hold anything, so only what is an id counts. */
export function recordFields(raw: RawRecord): { notificationId?: string; trace_id?: string; span_id?: string } {
  const subject = attributeOf(raw, 'ce_subject');
  return {
    ...(subject !== undefined && UUID.test(subject) ? { notificationId: subject } : {}),
    ...traceFields(traceOfRecord({ raw, event: undefined })),
  };
}

const traceOfRecord = ({ raw, event }: Item): TraceContext | undefined =>
  event ? event.event.trace : readTraceContext(attributeOf(raw, 'traceparent'), attributeOf(raw, 'tracestate'));

/** A header's text, if it is not too long to be one of ours. */
function attributeOf({ headers }: RawRecord, name: string): string | undefined {
  const value = headers.find(([each]) => each === name)?.[1];
  return value && value.length <= MAX_ATTRIBUTE ? value.toString('utf8') : undefined;
}

const MAX_ATTRIBUTE = 1024;
