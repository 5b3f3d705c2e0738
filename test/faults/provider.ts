import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call of the provider, as it was seen from its side. */
export interface Call {
  /** The same in every attempt of a delivery. */
  readonly deliveryId: string;
  readonly notificationId: string;
  readonly key: string;
  readonly startedAt: number;
  /** When it was answered, or its caller had gone. */
  endedAt: number;
  /**
   * What was answered; undefined when nobody was there to hear it. Whoever behaves in a special way may write it down itself,
   * such as for an answer whose body its caller need not read to the end.
   */
  status: number | undefined;
}

/** What the provider does with a call: answers it by itself, late or never. */
export type Behaviour = (response: ServerResponse, call: Call) => void;

const well: Behaviour = (response) => void response.writeHead(204).end();

/** The receiver of all webhooks: it writes down every call. Its path is the recipient. */
export class Provider {
  readonly calls: Call[] = [];
  readonly #server: Server;
  behave: Behaviour = well;

  private constructor() {
    this.#server = createServer(
      { keepAliveTimeout: 60_000 },
      (request, response) => void this.#take(request, response),
    );
  }

  static async start(): Promise<Provider> {
    const provider = new Provider();
    provider.#server.listen(0, '127.0.0.1');
    await once(provider.#server, 'listening');
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on everything is answered at once with 204. */
  behaveWell(): void {
    this.behave = well;
  }

  /** Ids that were answered with success. */
  get delivered(): Set<string> {
    return new Set(this.calls.filter(isSuccess).map(({ notificationId }) => notificationId));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    let body = '';
    try {
      for await (const chunk of request.setEncoding('utf8')) body += chunk as string;
    } catch {
      return; // Its caller was killed before it had said everything: nobody was called.
    }
    const { data } = JSON.parse(body) as { data: { notificationId: string } };
    const call: Call = {
      deliveryId: String(request.headers['webhook-id']),
      notificationId: data.notificationId,
      key: (request.url ?? '/').slice(1),
      startedAt,
      endedAt: Infinity,
      status: undefined,
    };
    this.calls.push(call);
    response.on('close', () => {
      call.endedAt = Math.min(call.endedAt, performance.now());
      if (response.writableFinished) call.status = response.statusCode;
    });
    this.behave(response, call);
  }
}

export const isSuccess = ({ status }: Pick<Call, 'status'>): boolean =>
  status !== undefined && status >= 200 && status < 300;
