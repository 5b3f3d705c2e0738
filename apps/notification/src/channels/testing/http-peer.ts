import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Certificate } from './certificate.js';

export interface ReceivedPost {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Where a receiver listens, when it matters. */
export interface Place {
  readonly host?: string;
  readonly port?: number;
}

/** How a receiver treats a request that it has read. */
export type Answer = (socket: Socket, post: ReceivedPost) => void;

/** A real HTTP or HTTPS receiver on a free port, whose answers are written byte by byte, so that it can do anything wrong. */
export class HttpPeer {
  readonly posts: ReceivedPost[] = [];
  port = 0;
  /** Connections made since the start. */
  accepted = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  answer: Answer;

  private constructor(answer: Answer, certificate: Certificate | undefined) {
    this.answer = answer;
    const listener: RequestListener = (request) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url: path = '', headers, socket } = request;
        const post = { method, path, headers, body: Buffer.concat(chunks).toString() };
        this.posts.push(post);
        this.answer(socket, post);
      });
    };
    this.#server = certificate ? createTlsServer(certificate, listener) : createServer(listener);
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on('connection', (socket: Socket) => {
      this.accepted++;
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(answer: Answer = replies(204), certificate?: Certificate, at: Place = {}): Promise<HttpPeer> {
    const peer = new HttpPeer(answer, certificate);
    peer.#server.listen(at.port ?? 0, at.host ?? '127.0.0.1');
    await once(peer.#server, 'listening');
    peer.port = (peer.#server.address() as AddressInfo).port;
    return peer;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** A whole answer with a body, after which the connection can be used again. */
export function replies(status: number, headers: Record<string, string> = {}, body = ''): Answer {
  const lines = Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(body)) });
  return (socket) =>
    socket.write(
      `HTTP/1.1 ${status} Status\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
    );
}

/** Never says anything. */
export const hangs: Answer = () => undefined;
/** Hangs up without an answer. */
export const cuts: Answer = (socket) => socket.destroy();
/** Sends this and then falls silent. */
export const says =
  (text: string): Answer =>
  (socket) =>
    socket.write(text);
