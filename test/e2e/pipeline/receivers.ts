import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer } from 'smtp-server';

export interface ReceivedCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /**
   * When it was noted, milliseconds since 1970, by the clock of the services' records; with no processor to be had, long after
   * its caller made it, or even gave it up.
   */
  readonly startedAt: number;
  /** When it was answered, or the caller's hang-up was noted. */
  endedAt: number;
  /** What was answered, if nobody was seen to have hung up before. */
  status: number | undefined;
}

/** A status, with headers if there are any; or the connection is reset. */
export type Answer = number | { readonly status: number; readonly headers: OutgoingHttpHeaders } | 'reset';

/** A webhook receiver that writes down every call; `answer` decides what it says, and may take its time. */
export class WebhookReceiver {
  readonly calls: ReceivedCall[] = [];
  readonly #server: Server;
  answer: (call: ReceivedCall, path: string) => Promise<Answer> | Answer = () => 204;

  private constructor() {
    this.#server = createServer((request, response) => {
      const startedAt = Date.now();
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const call: ReceivedCall = {
          path: request.url ?? '/',
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
          startedAt,
          endedAt: Infinity,
          status: undefined,
        };
        this.calls.push(call);
        // Whoever hangs up first: the answer, or the caller that gave up or was killed.
        response.on('close', () => (call.endedAt = Math.min(call.endedAt, Date.now())));
        void Promise.resolve(this.answer(call, request.url ?? '/')).then((answer) => {
          call.endedAt = Math.min(call.endedAt, Date.now());
          if (answer === 'reset') request.socket.destroy();
          else if (typeof answer === 'number') response.writeHead(answer).end();
          else response.writeHead(answer.status, answer.headers).end();
          call.status = answer === 'reset' || response.destroyed ? undefined : response.statusCode;
        });
      });
    });
  }

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** An SMTP server that keeps every mail. */
export class MailReceiver {
  readonly mails: Email[] = [];
  /** How long taking a mail lasts, milliseconds. */
  delayMs = 0;
  readonly #server: SMTPServer;

  private constructor() {
    this.#server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData: (stream, _session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          void PostalMime.parse(Buffer.concat(chunks)).then((mail) => {
            this.mails.push(mail);
            setTimeout(done, this.delayMs);
          });
        });
      },
    });
  }

  static async start(): Promise<MailReceiver> {
    const receiver = new MailReceiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.#server.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#server.close(resolve));
  }
}
