import { createTransport } from 'nodemailer';
import { reject, timedOut, type DeliveryAttempt, done, type Outcome, type Provider } from '../../provider.js';
import type { ChannelSettings } from '../../settings.js';
import { composeMail, mailAddress, needsSmtpUtf8, type Sender } from './mail.js';
import { smtpOutcome } from './outcome.js';
import { credentialPattern, type SmtpServer } from './server.js';
import { SmtpUtf8Support } from './smtputf8.js';

/** Connections wait this long for another mail, milliseconds; well below the minutes after which servers hang up. */
const IDLE_MS = 30_000;

export interface SmtpProviderOptions {
  readonly server: SmtpServer;
  readonly from: Sender;
  /** After how long a call is given up, milliseconds: no connection is silent for longer either. */
  readonly timeoutMs: number;
  /** Told apart from another provider for the same host and port. */
  readonly name?: string;
}

/** Hands mails to one SMTP server, over connections that are kept open and bounded in number. */
export class SmtpProvider implements Provider {
  readonly name: string;
  readonly channel = 'email';
  readonly concurrency: number;
  readonly #from: Sender;
  readonly #transport: ReturnType<typeof pooledTransport>;
  readonly #smtpUtf8: SmtpUtf8Support;
  readonly #credentials: RegExp;

  constructor({ server, from, timeoutMs, name = server.name }: SmtpProviderOptions) {
    this.name = name;
    this.concurrency = server.options.maxConnections;
    this.#from = from;
    this.#transport = pooledTransport(server, timeoutMs);
    this.#smtpUtf8 = new SmtpUtf8Support(server.options);
    this.#credentials = credentialPattern(server);
  }

  async deliver(attempt: DeliveryAttempt, signal: AbortSignal): Promise<Outcome> {
    const { email } = attempt.recipient;
    if (email === undefined) return reject('address_missing', 'The recipient has no email address');
    const to = mailAddress(email);
    if (to === undefined) return reject('address_invalid', 'The email address cannot be sent to');
    if (signal.aborted) return timedOut;
    try {
      if (needsSmtpUtf8(to) && !(await this.#smtpUtf8.isOffered(signal))) {
        return reject('address_invalid', 'The mail server takes no address with characters beyond ASCII (SMTPUTF8)');
      }
      await this.#transport.sendMail({ ...composeMail(attempt, this.#from, to), signal });
      return done;
    } catch (error) {
      return signal.aborted ? timedOut : smtpOutcome(error, this.#credentials);
    }
  }

  close(): Promise<void> {
    this.#transport.close({ force: true });
    return Promise.resolve();
  }
}

/** One provider per server, in the order given. */
export function smtpProviders({ SMTP_URL, SMTP_FROM, PROVIDER_TIMEOUT }: ChannelSettings): Provider[] {
  return SMTP_URL.map(
    (server, index) =>
      new SmtpProvider({
        server,
        from: SMTP_FROM,
        timeoutMs: PROVIDER_TIMEOUT,
        // Two accounts of one server are two providers: their breakers must not be one.
        name: SMTP_URL.slice(0, index).some(({ name }) => name === server.name)
          ? `${server.name}#${index + 1}`
          : server.name,
      }),
  );
}

function pooledTransport({ options }: SmtpServer, timeoutMs: number) {
  return createTransport({
    ...options,
    pool: true,
    idleTimeout: IDLE_MS,
    // A server that falls silent between mails (in answer to RSET, say) would hold one of the connections for as long.
    socketTimeout: Math.max(timeoutMs, 2 * IDLE_MS),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    // Given up is given up: no half-closed socket that the other side may keep for minutes.
    socketCloseTimeout: 0,
    // Once, over a new connection, for a mail whose kept connection the server had just closed. Everything else is the
    // dispatcher's business.
    maxRequeues: 1,
  });
}
