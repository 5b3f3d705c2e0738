import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export const ID = '01890a5d-ac96-774b-bcce-b302099a8057';
export const accepted = { status: 202, answer: { id: ID, status: 'accepted', acceptedAt: '2026-11-21T00:00:00Z' } };
export const notification = (status: string) => ({
  id: ID,
  status,
  priority: 'normal',
  createdAt: '2026-11-21T00:00:00Z',
  recipient: { id: 'user-1' },
  deliveries: [{ id: 'd', channel: 'log', status: 'delivered', attempts: [] }],
});

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

/** An HTTP server that answers what a test says, so that the command line can be given every answer there is. */
export class ScriptedApi {
  readonly url: string;
  readonly seen: Seen[] = [];
  answers: (url: string) => { status: number; answer: unknown; headers?: Record<string, string> } = () => ({
    status: 404,
    answer: {},
  });
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        this.seen.push({ method: request.method, url: request.url, headers: request.headers, body });
        const { status, answer, headers = {} } = this.answers(request.url ?? '');
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(answer));
      });
    });
  }

  static async start(): Promise<ScriptedApi> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedApi(server);
  }

  stop(): void {
    this.#server.close();
  }
}
