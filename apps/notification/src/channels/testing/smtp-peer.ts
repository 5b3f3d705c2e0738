import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';
import type { Certificate } from './certificate.js';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: string;
  readonly secure: boolean;
  readonly user: string | undefined;
}

type Step = 'greeting' | 'auth' | 'from' | 'rcpt' | 'data';
/** A reply code and what is said with it, or nothing at all, or the end of the connection. */
export type Refusal = readonly [code: number, text: string] | 'silence' | 'hang up';

export interface SmtpPeerOptions {
  /** With one, STARTTLS is offered; without, it is not. */
  readonly certificate?: Certificate;
  /** TLS from the first byte. */
  readonly secure?: boolean;
  readonly account?: { readonly user: string; readonly pass: string };
  readonly smtpUtf8?: boolean;
  readonly maxSize?: number;
  /** A free one when left out. */
  readonly port?: number;
}

/** A real SMTP server on a free port that refuses what it is told to refuse. */
export class SmtpPeer {
  readonly mails: ReceivedMail[] = [];
  port = 0;
  /** All that clients have sent in the clear, the mails too. */
  commands = '';
  /** Connections made since the start. */
  accepted = 0;
  /** Hang up on every new connection. */
  cutting = false;
  /** Hang up in the middle of every mail. */
  cuttingMails = false;
  readonly #refusals = new Map<Step, Refusal>();
  readonly #sockets = new Set<Socket>();
  readonly #server: SMTPServer;

  private constructor({ certificate, secure, account, smtpUtf8 = true, maxSize }: SmtpPeerOptions) {
    const options: SMTPServerOptions = {
      secure: secure ?? false,
      authOptional: !account,
      allowInsecureAuth: true,
      disableReverseLookup: true,
      closeTimeout: 100,
      hideSMTPUTF8: !smtpUtf8,
      disabledCommands: [...(certificate ? [] : ['STARTTLS']), ...(account ? [] : ['AUTH'])],
      ...(maxSize === undefined ? {} : { size: maxSize }),
      ...certificate,
      onConnect: (_session, done) => this.#reply('greeting', done),
      onMailFrom: (_address, _session, done) => this.#reply('from', done),
      onRcptTo: (_address, _session, done) => this.#reply('rcpt', done),
      onAuth: ({ username, password }, _session, done) => {
        const known = username === account?.user && password === account?.pass;
        this.#reply('auth', (error) => done(error, known ? { user: username } : undefined));
      },
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          if (this.cuttingMails) this.cutAll();
        });
        stream.on('end', () =>
          this.#reply('data', (error) => {
            if (stream.sizeExceeded) return done(Object.assign(new Error('too large'), { responseCode: 552 }));
            if (!error) this.mails.push(received(session, Buffer.concat(chunks)));
            done(error);
          }),
        );
      },
    };
    this.#server = new SMTPServer(options);
    // A client that hangs up is what many tests are about.
    this.#server.on('error', () => undefined);
    this.#server.server.on('connection', (socket: Socket) => {
      this.accepted++;
      this.#sockets.add(socket);
      socket.on('data', (chunk: Buffer) => (this.commands += chunk.toString()));
      if (this.cutting) socket.destroy();
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(options: SmtpPeerOptions = {}): Promise<SmtpPeer> {
    const peer = new SmtpPeer(options);
    peer.#server.listen(options.port ?? 0, '127.0.0.1');
    await once(peer.#server.server, 'listening');
    peer.port = (peer.#server.server.address() as AddressInfo).port;
    return peer;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** From now on a step ends like this; without a refusal it succeeds. */
  refuse(step: Step, refusal?: Refusal): void {
    if (refusal) this.#refusals.set(step, refusal);
    else this.#refusals.delete(step);
  }

  /** Cuts every connection, as a restart of the server would. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise<void>((resolve) => this.#server.close(resolve));
  }

  #reply(step: Step, done: (error?: Error | null) => void): void {
    const refusal = this.#refusals.get(step);
    if (refusal === 'silence') return;
    if (refusal === 'hang up') return this.cutAll();
    done(refusal ? Object.assign(new Error(refusal[1]), { responseCode: refusal[0] }) : null);
  }
}

const received = ({ envelope, secure, user }: SMTPServerSession, raw: Buffer): ReceivedMail => ({
  from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
  to: envelope.rcptTo.map(({ address }) => address),
  raw: raw.toString('utf8'),
  secure,
  user: user as string | undefined,
});
