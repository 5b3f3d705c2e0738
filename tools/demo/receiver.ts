import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface ReceivedWebhook {
  readonly path: string;
  readonly id: string;
  readonly status: number;
  /** Undefined when the secret is not known. */
  readonly signatureHolds: boolean | undefined;
}

/** A receiver of webhooks on this machine: `/ok` takes everything, `/flaky` fails twice for each webhook before it does. */
export class DemoReceiver {
  readonly url: string;
  readonly received: ReceivedWebhook[] = [];
  onReceived: (webhook: ReceivedWebhook) => void = () => undefined;
  secret: string | undefined;
  readonly #server: Server;
  readonly #failures = new Map<string, number>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => {
      this.#receive(request).then(
        (status) => response.writeHead(status).end(),
        () => response.destroy(),
      );
    });
  }

  static async start(): Promise<DemoReceiver> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new DemoReceiver(server);
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #receive(request: IncomingMessage): Promise<number> {
    const body = await buffer(request);
    const id = String(request.headers['webhook-id']);
    const failed = this.#failures.get(id) ?? 0;
    const status = request.url === '/flaky' && failed < 2 ? 503 : 204;
    if (status !== 204) this.#failures.set(id, failed + 1);
    const signatureHolds = this.secret === undefined ? undefined : holds(this.secret, request, body);
    const webhook = { path: request.url ?? '/', id, status, signatureHolds };
    this.received.push(webhook);
    this.onReceived(webhook);
    return status;
  }
}

/** Standard Webhooks: HMAC-SHA-256 over `id.timestamp.body`, base64, one of the space-separated `v1,…` in the header. */
function holds(secret: string, { headers }: IncomingMessage, body: Buffer): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.`;
  const expected = createHmac('sha256', key).update(signed).update(body).digest();
  return String(headers['webhook-signature'])
    .split(' ')
    .filter((each) => each.startsWith('v1,'))
    .map((each) => Buffer.from(each.slice(3), 'base64'))
    .some((given) => given.length === expected.length && timingSafeEqual(given, expected));
}
