import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** A span as the tests look at it. */
export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: string | undefined;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly failed: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
}

interface Attribute {
  readonly key: string;
  readonly value: { stringValue?: string; intValue?: number | string; boolValue?: boolean; doubleValue?: number };
}

interface OtlpRequest {
  readonly resourceSpans: {
    readonly resource: { readonly attributes: Attribute[] };
    readonly scopeSpans: {
      readonly spans: {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly name: string;
        readonly kind: number;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes: Attribute[];
        readonly links?: { readonly traceId: string; readonly spanId: string }[];
        readonly status?: { readonly code?: number };
      }[];
    }[];
  }[];
}

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

/** A collector: takes OTLP over HTTP in JSON (opentelemetry-proto 1.x) and keeps what it was sent. */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  /** The headers of each request. */
  readonly requests: IncomingHttpHeaders[] = [];
  /** All that was sent, as text: what must not be in it can be searched for. */
  received = '';
  /** `hang` takes the request and never answers. */
  answer: 'ok' | 'unavailable' | 'hang' = 'ok';
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.requests.push(request.headers);
        if (this.answer === 'hang') return;
        const body = Buffer.concat(chunks);
        if (this.answer === 'unavailable') response.writeHead(503).end();
        else if (request.method !== 'POST' || request.url !== '/v1/traces') response.writeHead(404).end();
        else this.#take(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body, response);
      });
    });
  }

  /** @param port 0 for any */
  static async start(port = 0): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    receiver.#server.listen(port, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The spans of a trace, in the order in which they began. */
  trace(traceId: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId).toSorted((a, b) => a.startedAt - b.startedAt);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #take(body: Buffer, response: ServerResponse): void {
    const text = body.toString();
    this.received += text;
    for (const { resource, scopeSpans } of (JSON.parse(text) as OtlpRequest).resourceSpans) {
      const service = String(attributesOf(resource.attributes)['service.name']);
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        this.spans.push({
          service,
          name: span.name,
          kind: KINDS[span.kind] as ReceivedSpan['kind'],
          traceId: span.traceId,
          spanId: span.spanId,
          parent: span.parentSpanId || undefined,
          links: span.links ?? [],
          attributes: attributesOf(span.attributes),
          failed: span.status?.code === 2,
          startedAt: Number(span.startTimeUnixNano) / 1e6,
          endedAt: Number(span.endTimeUnixNano) / 1e6,
        });
      }
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }
}

function attributesOf(attributes: readonly Attribute[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, boolValue, doubleValue } }) => [
      key,
      stringValue ?? (intValue === undefined ? undefined : Number(intValue)) ?? boolValue ?? doubleValue ?? '',
    ]),
  );
}
