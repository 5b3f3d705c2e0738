import { domainToASCII } from 'node:url';
import { createTransport } from 'nodemailer';
import type { DeliveryAttempt, Outcome, Provider } from '../provider.js';
import { smtpFailure } from './smtp-failure.js';

export interface SmtpProviderOptions {
  /** smtp:// or smtps://, with nodemailer's options as its query, such as `?tls.rejectUnauthorized=false`. */
  readonly url: string;
  readonly from: string;
}

/** Connections that are kept to one server, and mails over each before it is made anew. */
const MAX_CONNECTIONS = 10;
const MAX_MESSAGES = 200;
/** Longer than a healthy server takes; a call is given up earlier by its signal. Milliseconds. */
const CONNECT_MS = 10_000;
const SOCKET_MS = 60_000;

/** Sends mails through one SMTP server, over a pool of connections. */
export class SmtpProvider implements Provider {
  readonly name: string;
  readonly channel = 'email';
  readonly #from: string;
  readonly #domain: string;
  readonly #transport: ReturnType<typeof createPool>;

  constructor({ url, from }: SmtpProviderOptions) {
    const { hostname, port, protocol } = new URL(url);
    this.name = `smtp:${hostname}:${port || (protocol === 'smtps:' ? '465' : '587')}`;
    this.#from = from;
    this.#domain = domainToASCII(/@([^\s<>@]+)>?$/.exec(from)?.[1] ?? '') || 'localhost';
    this.#transport = createPool(url);
    // A connection that breaks between two mails is the pool's to replace, and no reason for the process to end.
    this.#transport.on('error', () => undefined);
  }

  async deliver(attempt: DeliveryAttempt, signal: AbortSignal): Promise<Outcome> {
    const to = attempt.recipient.email;
    if (!to) return { kind: 'reject', code: 'address_missing', message: 'The recipient has no e-mail address' };
    const { promise: aborted, resolve } = Promise.withResolvers<Outcome>();
    const abort = (): void =>
      resolve({ kind: 'retry', code: 'timeout', message: 'The mail server did not answer in time' });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([this.#send(to, attempt), aborted]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  close(): Promise<void> {
    this.#transport.close();
    return Promise.resolve();
  }

  async #send(to: string, { deliveryId, content }: DeliveryAttempt): Promise<Outcome> {
    try {
      await this.#transport.sendMail({
        from: this.#from,
        // As an object: an address list in a string would be taken apart at commas.
        to: { name: '', address: to },
        subject: content.subject ?? '',
        text: content.body,
        ...(content.html === undefined ? {} : { html: content.html }),
        // The same in every attempt, so that a server that has the mail already can tell.
        messageId: `<${deliveryId}@${this.#domain}>`,
        // RFC 3834: nobody's out-of-office should answer.
        headers: { 'Auto-Submitted': 'auto-generated' },
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      return { kind: 'done' };
    } catch (error) {
      return smtpFailure(error);
    }
  }
}

function createPool(url: string) {
  return createTransport({
    url,
    pool: true,
    maxConnections: MAX_CONNECTIONS,
    maxMessages: MAX_MESSAGES,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SOCKET_MS,
    dnsTimeout: CONNECT_MS,
  });
}
