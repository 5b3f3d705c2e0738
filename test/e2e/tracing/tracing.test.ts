import { randomBytes } from 'node:crypto';
import { OtlpReceiver, type ReceivedSpan } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { notificationOf } from '../pipeline/load.js';
import { WebhookReceiver } from '../pipeline/receivers.js';
import { System } from '../pipeline/system.js';

let collector: OtlpReceiver;
let webhook: WebhookReceiver;
let system: System;
beforeAll(async () => {
  [collector, webhook] = await Promise.all([OtlpReceiver.start(), WebhookReceiver.start()]);
  system = await System.start('tracing', ['api', 'notification', 'audit'], {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=open%20sesame',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    RETRY_SCHEDULE: '300ms,300ms',
    CLAIM_INTERVAL: '50ms',
  });
});
afterAll(async () => {
  await system.stop();
  await Promise.all([collector.stop(), webhook.stop()]);
});

const EXPORTED = { timeout: 20_000, interval: 100 };
const callers = (sampled = true) => {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  return { traceId, spanId, header: `00-${traceId}-${spanId}-${sampled ? '01' : '00'}` };
};
const body = (recipient: string, more: object = {}) => ({
  recipient: { id: recipient, webhook: { url: `${webhook.url}/secret-path?token=secret-token` } },
  channels: ['webhook'],
  content: { subject: 'secret-subject', body: 'secret-body' },
  ...more,
});
const callsOf = (id: string) => webhook.calls.filter((call) => notificationOf(call.body) === id);
const topic = (name: string) => `${system.prefix}notification.${name}.v1`;
const by = (spans: readonly ReceivedSpan[], name: string, service: string) =>
  spans.filter((span) => span.name === name && span.service === `bongsu-${service}`);
const one = (spans: readonly ReceivedSpan[], name: string, service: string): ReceivedSpan => {
  const found = by(spans, name, service);
  if (found.length !== 1)
    throw new Error(`${found.length} spans ${name} of ${service} among ${spans.map((span) => span.name).join(', ')}`);
  return found[0]!;
};

/** All services have told of the delivered event, which is the last to come. */
const complete = (traceId: string) => () => {
  const received = collector.trace(traceId);
  return ['api', 'audit'].every((service) =>
    by(received, `process ${topic('events')}`, service).some(
      ({ attributes }) => attributes['cloudevents.event_type'] === 'bongsu.delivery.delivered.v1',
    ),
  );
};

describe('a notification that comes with a traceparent', () => {
  it('is one trace, from the request through Kafka, a retry and the calls to the events', async () => {
    const { traceId, spanId, header } = callers();
    webhook.answer = (call) => (callsOf(notificationOf(call.body)).length === 1 ? 503 : 204);
    const id = await system.send(body('user-1', { priority: 'urgent' }), { traceparent: header, tracestate: 'acme=1' });
    await expect.poll(complete(traceId), EXPORTED).toBe(true);
    const spans = collector.trace(traceId);

    const request = one(spans, 'POST /v1/notifications', 'api');
    expect(request).toMatchObject({ kind: 'server', parent: spanId, failed: false });
    expect(request.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/v1/notifications',
      'http.response.status_code': 202,
      'bongsu.notification.id': id,
    });
    const sent = one(spans, `send ${topic('requests.urgent')}`, 'api');
    expect(sent).toMatchObject({ kind: 'producer', parent: request.spanId });
    expect(sent.attributes).toMatchObject({
      'messaging.system': 'kafka',
      'messaging.operation.type': 'send',
      'messaging.destination.name': topic('requests.urgent'),
      'messaging.message.id': id,
      'messaging.kafka.offset': expect.any(Number) as number,
    });

    for (const [service, group] of [
      ['notification', 'bongsu.notification'],
      ['api', 'bongsu.status'],
      ['audit', 'bongsu.audit'],
    ] as const) {
      const processed = one(spans, `process ${topic('requests.urgent')}`, service);
      expect(processed).toMatchObject({ kind: 'consumer', parent: sent.spanId });
      expect(processed.attributes).toMatchObject({
        'messaging.consumer.group.name': group,
        'messaging.kafka.offset': sent.attributes['messaging.kafka.offset'],
        'messaging.destination.partition.id': sent.attributes['messaging.destination.partition.id'],
      });
      const batch = collector.spans.find((span) => span.spanId === processed.links[0]?.spanId);
      expect(batch).toMatchObject({ kind: 'consumer', parent: undefined, service: `bongsu-${service}` });
      expect(batch?.links).toContainEqual(expect.objectContaining({ traceId, spanId: sent.spanId }));
    }

    const attempts = by(spans, 'deliver webhook', 'notification');
    expect(attempts.map(({ parent, failed, attributes }) => [parent, failed, attributes['error.type']])).toEqual([
      [sent.spanId, true, 'http_503'],
      [sent.spanId, false, undefined],
    ]);
    expect(attempts.map(({ attributes }) => attributes['bongsu.delivery.attempt'])).toEqual([1, 2]);
    const calls = by(spans, 'call webhook', 'notification');
    expect(calls.map(({ kind, parent }) => [kind, parent])).toEqual(attempts.map((each) => ['client', each.spanId]));
    const [host, port] = new URL(webhook.url).host.split(':');
    expect(calls[0]!.attributes).toMatchObject({ 'server.address': host, 'server.port': Number(port) });
    expect(callsOf(id).map(({ headers }) => headers['traceparent'])).toEqual(
      calls.map((call) => `00-${traceId}-${call.spanId}-01`),
    );
    expect(callsOf(id).map(({ headers }) => headers['tracestate'])).toEqual([undefined, undefined]);

    const facts = by(spans, `send ${topic('events')}`, 'notification');
    expect(facts.map(({ parent, attributes }) => [attributes['cloudevents.event_type'], parent])).toEqual([
      ['bongsu.delivery.retrying.v1', attempts[0]!.spanId],
      ['bongsu.delivery.delivered.v1', attempts[1]!.spanId],
    ]);
    for (const service of ['api', 'audit'])
      expect(by(spans, `process ${topic('events')}`, service).map(({ parent }) => parent)).toEqual(
        facts.map((fact) => fact.spanId),
      );
    for (const span of spans) expect(span.endedAt).toBeGreaterThanOrEqual(span.startedAt);
    // Nothing else, and nothing twice.
    expect(spans).toHaveLength(1 + 1 + 3 + 2 + 2 + 2 + 4);
  });

  it('goes on with it after the process that accepted it into the ledger is gone', async () => {
    const { traceId, header } = callers();
    webhook.answer = () => 204;
    const sendAt = new Date(Date.now() + 8_000).toISOString();
    const id = await system.send(body('user-later', { sendAt }), { traceparent: header, tracestate: 'acme=2' });
    const takenIn = () => by(collector.trace(traceId), `process ${topic('requests.normal')}`, 'notification').length;
    await expect.poll(takenIn, EXPORTED).toBe(1);
    await system.killAndRestart('notification');
    await expect.poll(complete(traceId), { ...EXPORTED, timeout: 40_000 }).toBe(true);
    const spans = collector.trace(traceId);
    const attempt = one(spans, 'deliver webhook', 'notification');
    expect(attempt.parent).toBe(one(spans, `send ${topic('requests.normal')}`, 'api').spanId);
    expect(callsOf(id)[0]!.headers['traceparent']).toContain(traceId);
  });

  it('leaves no span when the caller has decided that it is not sampled, and is handed on all the same', async () => {
    const { traceId, header } = callers(false);
    webhook.answer = () => 204;
    const id = await system.send(body('user-unsampled'), { traceparent: header });
    await expect.poll(() => callsOf(id).length, EXPORTED).toBe(1);
    expect(callsOf(id)[0]!.headers['traceparent']).toBe(header);
    const after = callers();
    await system.send(body('user-after'), { traceparent: after.header });
    await expect.poll(complete(after.traceId), EXPORTED).toBe(true);
    expect(collector.trace(traceId)).toEqual([]);
  });
});

describe('a notification without one', () => {
  it('is a trace of its own, whose id the log lines carry', async () => {
    webhook.answer = () => 404;
    const id = await system.send(body('user-2'));
    const request = () =>
      collector.spans.find((span) => span.kind === 'server' && span.attributes['bongsu.notification.id'] === id);
    await expect.poll(request, EXPORTED).toMatchObject({ parent: undefined });
    const { traceId } = request()!;
    await expect.poll(() => by(collector.trace(traceId), 'deliver webhook', 'notification'), EXPORTED).toHaveLength(1);
    const lines = system
      .service('notification')
      .log.split('\n')
      .filter((line) => line.includes(id))
      .map((line) => JSON.parse(line) as object);
    const [attempt] = by(collector.trace(traceId), 'deliver webhook', 'notification');
    expect(lines).toMatchObject([
      { trace_id: traceId, span_id: attempt!.spanId, notificationId: id, status: 'rejected', code: 'http_404' },
    ]);
  });

  it('is a trace of its own also as an item of a batch, linked with the request', async () => {
    webhook.answer = () => 204;
    const answer = await system
      .request('post', '/v1/notifications/batch')
      .send({ notifications: [body('batch-1'), { recipient: {} }, body('batch-2')] })
      .expect(202);
    const ids = (answer.body as { results: { id?: string }[] }).results.flatMap(({ id }) => id ?? []);
    expect(ids).toHaveLength(2);
    const items = () => collector.spans.filter(({ name }) => name === 'accept notification');
    await expect.poll(() => items().length, EXPORTED).toBe(3);
    const request = () => collector.spans.find(({ name }) => name === 'POST /v1/notifications/batch');
    await expect.poll(request, EXPORTED).toBeDefined();
    expect(new Set([...items(), request()!].map(({ traceId }) => traceId)).size).toBe(4);
    for (const item of items())
      expect(item.links).toMatchObject([{ traceId: request()!.traceId, spanId: request()!.spanId }]);
    expect(items().find(({ failed }) => failed)?.attributes).toMatchObject({ 'error.type': 'validation_failed' });
    for (const id of ids) {
      const { traceId } = items().find(({ attributes }) => attributes['bongsu.notification.id'] === id)!;
      await expect.poll(complete(traceId), EXPORTED).toBe(true);
    }
  });
});

describe('a batch that comes with a traceparent', () => {
  it('is in that trace with all of its items', async () => {
    const { traceId, header } = callers();
    webhook.answer = () => 204;
    await system
      .request('post', '/v1/notifications/batch')
      .set({ traceparent: header, 'content-type': 'application/x-ndjson' })
      .send([body('line-1'), body('line-2')].map((line) => JSON.stringify(line)).join('\n'))
      .expect(202);
    const delivered = () =>
      by(collector.trace(traceId), `process ${topic('events')}`, 'audit').length +
      by(collector.trace(traceId), 'POST /v1/notifications/batch', 'api').length;
    await expect.poll(delivered, EXPORTED).toBe(3);
    const request = one(collector.trace(traceId), 'POST /v1/notifications/batch', 'api');
    const items = by(collector.trace(traceId), 'accept notification', 'api');
    expect(items.map(({ parent }) => parent)).toEqual([request.spanId, request.spanId]);
  });
});

describe('what is sent to the collector', () => {
  it('names the installation, carries the key, and holds no content, address or secret', async () => {
    expect(collector.received).toContain('deployment.environment.name');
    expect(new Set(collector.requests.map((headers) => headers['x-collector-key']))).toEqual(new Set(['open sesame']));
    expect(collector.received).not.toMatch(/secret-|user-1|batch-1/);
    for (const service of ['api', 'notification', 'audit'] as const) {
      expect(system.service(service).log).not.toContain('open sesame');
      const metrics = await (await fetch(`${system.service(service).managementUrl}/metrics`)).text();
      expect(metrics).toMatch(/tracing_spans_total\{result="exported"\} [1-9]/);
      expect(metrics).not.toMatch(/tracing_spans_total\{result="(failed|dropped)"\}/);
    }
  });
});
